package local

import "errors"

// Pause is not possible on Windows.
func (p *Process) Pause() error { return errors.ErrUnsupported }

// Resume is not possible on Windows.
func (p *Process) Resume() error { return errors.ErrUnsupported }

// Terminate ends the process at once, because Windows has no SIGTERM.
func (p *Process) Terminate() error { return p.cmd.Process.Kill() }
