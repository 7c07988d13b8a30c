package encrypt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde/avrobin"
)

// node is one type of a schema, prepared for the walk over encoded data.
type node struct {
	kind     avsc.Kind
	size     int // of a fixed
	fields   []field
	branches []*node // of a union
	elem     *node   // of an array or a map
}

type field struct {
	name   string
	tagged bool
	node   *node
}

// untagged returns the name of a field of a record that is not tagged. It
// returns "" if all fields are tagged.
func (n *node) untagged() string {
	for i := range n.fields {
		if !n.fields[i].tagged {
			return n.fields[i].name
		}
	}
	return ""
}

// compile returns the program for the fields that tagged selects by full name
// ("shop.Customer.email"). It returns nil if the schema has no such field.
func compile(s *avsc.Schema, tagged func(field string) bool) *node {
	c := compiler{tagged: tagged, nodes: make(map[*avsc.Schema]*node)}
	n := c.node(s)
	if !c.any {
		return nil
	}
	return n
}

type compiler struct {
	tagged func(string) bool
	nodes  map[*avsc.Schema]*node
	any    bool // a field is tagged
}

func (c *compiler) node(s *avsc.Schema) *node {
	if n := c.nodes[s]; n != nil {
		return n
	}
	n := &node{kind: s.Kind, size: s.Size}
	c.nodes[s] = n // before the parts, because a type may contain itself
	for _, f := range s.Fields {
		tagged := c.tagged(s.Name + "." + f.Name)
		c.any = c.any || tagged
		n.fields = append(n.fields, field{f.Name, tagged, c.node(f.Type)})
	}
	for _, b := range s.Branches {
		n.branches = append(n.branches, c.node(b))
	}
	if s.Elem != nil {
		n.elem = c.node(s.Elem)
	}
	return n
}

// rewrite returns data in which c has changed the tagged values. The rest is
// copied unchanged and without decoding.
func rewrite(ctx context.Context, program *node, data []byte, c *cipher) ([]byte, error) {
	w := walk{ctx: ctx, cipher: c, in: data, out: make([]byte, 0, len(data)+64), budget: emptyBudget(len(data))}
	if err := w.value(program, false, 0); err != nil {
		return nil, err
	}
	if len(w.in) > 0 {
		return nil, avrobin.ErrTrailing
	}
	return w.out, nil
}

// walk is the state of one rewrite.
type walk struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call
	cipher *cipher
	in     []byte // not yet read
	out    []byte
	steps  int
	budget int // the number of values that the walk may still visit
}

// emptyBudget bounds the number of values in a message of n bytes. Without a
// bound, values without bytes, such as nulls and empty records, could cause
// endless work.
func emptyBudget(n int) int { return 1<<16 + 16*n }

var errBudget = errors.New("the data has more values than its size allows")

func (w *walk) value(n *node, tagged bool, depth int) error {
	if depth > avrobin.MaxDepth {
		return avrobin.ErrDepth
	}
	if w.budget--; w.budget < 0 {
		return errBudget
	}
	if w.steps++; w.steps%4096 == 0 && w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	switch n.kind {
	case avsc.Record:
		// A tag does not reach the fields of a record, as in Confluent's
		// clients. Without an error, their values would be in clear text.
		if tagged && !w.cipher.params.reading {
			if name := n.untagged(); name != "" {
				return fmt.Errorf("a record cannot be encrypted as a whole: give the tag to its field %s too", name)
			}
		}
		for i := range n.fields {
			f := &n.fields[i]
			if err := w.value(f.node, f.tagged, depth+1); err != nil {
				return avrobin.ErrorAt(err, f.name)
			}
		}
		return nil
	case avsc.Union:
		branch, err := w.long()
		if err != nil {
			return err
		}
		if branch < 0 || branch >= int64(len(n.branches)) {
			return avrobin.ErrInvalid
		}
		return w.value(n.branches[branch], tagged, depth+1)
	case avsc.Array, avsc.Map:
		return w.blocks(n, tagged, depth)
	case avsc.Null:
		return nil
	case avsc.String, avsc.Bytes:
		return w.stringOrBytes(n.kind, tagged)
	}
	// Readers of Confluent's clients do not change other types, because no
	// writer can encrypt other types.
	if tagged && !w.cipher.params.reading {
		return fmt.Errorf("a value of type %s cannot be encrypted: only string and bytes can", n.kind)
	}
	switch n.kind {
	case avsc.Int, avsc.Long, avsc.Enum:
		_, err := w.long()
		return err
	case avsc.Boolean:
		return w.copy(1)
	case avsc.Float:
		return w.copy(4)
	case avsc.Double:
		return w.copy(8)
	default: // a fixed
		return w.copy(n.size)
	}
}

func (w *walk) blocks(n *node, tagged bool, depth int) error {
	for index := 0; ; {
		count, width := binary.Varint(w.in)
		if width <= 0 {
			return avrobin.ErrTruncated
		}
		w.in = w.in[width:]
		if count < 0 {
			if count == math.MinInt64 {
				return avrobin.ErrInvalid
			}
			// The block's size in bytes follows. The size is left out, because
			// the rewrite changes the size.
			_, width := binary.Varint(w.in)
			if width <= 0 {
				return avrobin.ErrTruncated
			}
			w.in, count = w.in[width:], -count
		}
		w.out = binary.AppendVarint(w.out, count)
		if count == 0 {
			return nil
		}
		for ; count > 0; count-- {
			if n.kind == avsc.Map {
				if err := w.stringOrBytes(avsc.String, false); err != nil {
					return err
				}
			}
			if err := w.value(n.elem, tagged, depth+1); err != nil {
				return avrobin.ErrorAt(err, "", index)
			}
			index++
		}
	}
}

// stringOrBytes copies a value with a length, or changes the value if it is
// tagged.
func (w *walk) stringOrBytes(kind avsc.Kind, tagged bool) error {
	length, width := binary.Varint(w.in)
	if width <= 0 {
		return avrobin.ErrTruncated
	}
	if length < 0 || length > int64(len(w.in)-width) {
		return avrobin.ErrTruncated
	}
	end := width + int(length)
	if !tagged {
		return w.copy(end)
	}
	value := w.in[width:end]
	w.in = w.in[end:]
	change := w.cipher.bytes
	if kind == avsc.String {
		change = w.cipher.text
	}
	changed, err := change(w.ctx, value)
	if err != nil {
		return err
	}
	w.out = append(binary.AppendVarint(w.out, int64(len(changed))), changed...)
	return nil
}

// long copies a number and returns it.
func (w *walk) long() (int64, error) {
	v, width := binary.Varint(w.in)
	if width <= 0 {
		return 0, avrobin.ErrTruncated
	}
	return v, w.copy(width)
}

func (w *walk) copy(n int) error {
	if n > len(w.in) {
		return avrobin.ErrTruncated
	}
	w.out = append(w.out, w.in[:n]...)
	w.in = w.in[n:]
	return nil
}
