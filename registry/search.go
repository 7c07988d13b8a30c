package registry

import (
	"context"
	"sync"
)

// The limits of [Client.FindVersion].
const (
	searchedAtOnce = 16
	maxSearched    = 1000
)

// search looks for the lowest matching index from 0 to end, at several indexes
// at once.
type search struct {
	match func(ctx context.Context, i int) (Version, bool, error)

	mu   sync.Mutex
	next int
	end  int // indexes from end on cannot change the result
	v    Version
	hit  bool
	err  error
}

func (s *search) run(ctx context.Context) (Version, bool, error) {
	var wg sync.WaitGroup
	for range min(searchedAtOnce, s.end) {
		wg.Go(func() {
			for {
				i, ok := s.nextIndex()
				if !ok {
					return
				}
				v, hit, err := s.match(ctx, i)
				s.report(i, v, hit, err)
			}
		})
	}
	wg.Wait()
	return s.v, s.hit, s.err
}

// nextIndex returns the next index, or false if the rest cannot change the
// result.
func (s *search) nextIndex() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next >= s.end {
		return 0, false
	}
	s.next++
	return s.next - 1, true
}

// report keeps the result of the lowest index that matched or failed.
func (s *search) report(i int, v Version, hit bool, err error) {
	if !hit && err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i < s.end {
		s.end, s.v, s.hit, s.err = i, v, hit, err
	}
}
