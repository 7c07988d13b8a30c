package codec

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"math/bits"
	"slices"
	"time"
	"unsafe"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/avroline/avroline/internal/bench/codec/events"
	"github.com/avroline/avroline/serde/avrobin"
)

// The hand-written code is the limit. It supports only these types, and it is
// written only for speed. It writes the same bytes, so it also sorts the keys
// of maps. Strings are written without a check of the text, and numbers without
// a check of the range. The errors have no details. Generated code makes all
// these checks, and explains errors.

var errBad = errors.New("bad data")

func handLong(b []byte, v int64) []byte {
	u := uint64(v<<1) ^ uint64(v>>63)
	switch {
	case u < 1<<7:
		return append(b, byte(u))
	case u < 1<<14:
		return append(b, byte(u)|0x80, byte(u>>7))
	case u < 1<<21:
		return append(b, byte(u)|0x80, byte(u>>7)|0x80, byte(u>>14))
	case u < 1<<28:
		return append(b, byte(u)|0x80, byte(u>>7)|0x80, byte(u>>14)|0x80, byte(u>>21))
	case u < 1<<35:
		return append(b, byte(u)|0x80, byte(u>>7)|0x80, byte(u>>14)|0x80, byte(u>>21)|0x80, byte(u>>28))
	case u < 1<<42:
		return append(b, byte(u)|0x80, byte(u>>7)|0x80, byte(u>>14)|0x80, byte(u>>21)|0x80, byte(u>>28)|0x80, byte(u>>35))
	}
	return binary.AppendUvarint(b, u)
}

func handString(b []byte, s string) []byte {
	if len(s) < 64 {
		b = append(b, byte(len(s)<<1))
	} else {
		b = handLong(b, int64(len(s)))
	}
	return append(b, s...)
}

func handDouble(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}

func handBool(b []byte, v bool) []byte {
	var x byte
	if v {
		x = 1
	}
	return append(b, x)
}

func handUUID(b []byte, id *uuid.UUID) []byte {
	var t [36]byte
	hex.Encode(t[:], id[:4])
	t[8] = '-'
	hex.Encode(t[9:13], id[4:6])
	t[13] = '-'
	hex.Encode(t[14:18], id[6:8])
	t[18] = '-'
	hex.Encode(t[19:23], id[8:10])
	t[23] = '-'
	hex.Encode(t[24:], id[10:])
	return append(append(b, 72), t[:]...)
}

// handDecimal supports only decimals with the schema's scale that fit into 64
// bits.
func handDecimal(b []byte, d decimal.Decimal) []byte {
	v := d.CoefficientInt64()
	n := (bits.Len64(uint64(v^(v>>63))) + 8) / 8
	var t [8]byte
	binary.BigEndian.PutUint64(t[:], uint64(v))
	return append(append(b, byte(n<<1)), t[8-n:]...)
}

func handAppendClick(b []byte, v *events.Click) []byte {
	b = handUUID(b, &v.ID)
	return handAppendClickTail(b, v)
}

// handAppendClickText takes the id as text. Libraries without a uuid type also
// encode the id as text.
func handAppendClickText(b []byte, id string, v *events.Click) []byte {
	return handAppendClickTail(handString(b, id), v)
}

func handAppendClickTail(b []byte, v *events.Click) []byte {
	b = handLong(b, v.At.UnixMilli())
	b = handString(b, v.User)
	b = handString(b, v.URL)
	b = handLong(b, int64(v.Status))
	b = handDouble(b, v.Score)
	b = handBool(b, v.Mobile)
	if v.Referrer == nil {
		return append(b, 0)
	}
	return handString(append(b, 2), *v.Referrer)
}

func handAppendOrder(b []byte, v *events.Order) []byte {
	b = handUUID(b, &v.OrderID)
	b = handLong(b, v.Created.UnixMicro())
	b = handLong(b, int64(v.Due))
	b = append(b, byte(v.Status<<1))
	c := &v.Customer
	b = handLong(b, c.ID)
	b = handString(b, c.Name)
	if c.Email == nil {
		b = append(b, 0)
	} else {
		b = handString(append(b, 2), *c.Email)
	}
	b = handString(b, c.Address.Street)
	b = handString(b, c.Address.City)
	b = handString(b, c.Address.Zip)
	b = handString(b, c.Address.Country)
	if len(v.Items) > 0 {
		b = handLong(b, int64(len(v.Items)))
		for i := range v.Items {
			x := &v.Items[i]
			b = handString(b, x.Sku)
			b = handString(b, x.Title)
			b = handLong(b, int64(x.Quantity))
			b = handDecimal(b, x.Price)
			if x.Discount == nil {
				b = append(b, 0)
			} else {
				b = handDouble(append(b, 2), *x.Discount)
			}
		}
	}
	b = append(b, 0)
	if len(v.Attributes) > 0 {
		b = handLong(b, int64(len(v.Attributes)))
		var few [8]string
		keys := few[:0]
		for k := range v.Attributes {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			b = handString(handString(b, k), v.Attributes[k])
		}
	}
	b = append(b, 0)
	switch p := v.Payment.(type) {
	case *events.Card:
		b = handString(append(b, 0), p.Pan)
		b = handLong(b, int64(p.ExpMonth))
		b = handLong(b, int64(p.ExpYear))
	case *events.BankTransfer:
		b = handString(append(b, 2), p.Iban)
	case *events.Wallet:
		b = handString(append(b, 4), p.Provider)
		b = append(handLong(b, int64(len(p.Token))), p.Token...)
	}
	switch n := v.Note.(type) {
	case nil:
		b = append(b, 0)
	case events.OrderNoteString:
		b = handString(append(b, 2), n.Value)
	case events.OrderNoteLong:
		b = handLong(append(b, 4), n.Value)
	}
	return handDecimal(b, v.Total)
}

func handAppendReadings(b []byte, v *events.Readings) []byte {
	if len(v.Points) > 0 {
		b = handLong(b, int64(len(v.Points)))
		for i := range v.Points {
			p := &v.Points[i]
			b = handLong(b, p.ID)
			b = handString(b, p.Name)
			b = handDouble(b, p.Value)
			b = handBool(b, p.Flag)
		}
	}
	return append(b, 0)
}

func handAppendLongs(b []byte, v *events.Longs) []byte {
	if len(v.Values) > 0 {
		b = handLong(b, int64(len(v.Values)))
		for _, x := range v.Values {
			b = handLong(b, x)
		}
	}
	return append(b, 0)
}

// The functions that read return a position in b, or a negative number for bad
// data. Strings share the memory of b, the only copy of the message.

func handReadLong(b []byte, i int) (int64, int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return int64(b[i]>>1) ^ -int64(b[i]&1), i + 1
	}
	var u uint64
	for s := uint(0); s < 64 && uint(i) < uint(len(b)); s += 7 {
		c := b[i]
		i++
		u |= uint64(c&0x7f) << s
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), i
		}
	}
	return 0, -1
}

func handReadSpan(b []byte, i int) (int, int) {
	n, i := handReadLong(b, i)
	if i < 0 || uint64(n) > uint64(len(b)-i) {
		return 0, -1
	}
	return i, i + int(n)
}

func handText(b []byte, i, j int) string { return unsafe.String(unsafe.SliceData(b[i:j]), j-i) }

func handReadString(b []byte, at int, s *string) int {
	i, j := handReadSpan(b, at)
	if j >= 0 {
		*s = handText(b, i, j)
	}
	return j
}

func handReadUUID(b []byte, at int, id *uuid.UUID) int {
	i, j := handReadSpan(b, at)
	if j-i != 36 {
		return -1
	}
	var t [32]byte
	copy(t[:], b[i:i+8])
	copy(t[8:], b[i+9:i+13])
	copy(t[12:], b[i+14:i+18])
	copy(t[16:], b[i+19:i+23])
	copy(t[20:], b[i+24:j])
	if _, err := hex.Decode(id[:], t[:]); err != nil {
		return -1
	}
	return j
}

func handReadDecimal(b []byte, at int, d *decimal.Decimal) int {
	i, j := handReadSpan(b, at)
	if j <= i || j-i > 8 {
		return -1
	}
	v := int64(int8(b[i]))
	for _, c := range b[i+1 : j] {
		v = v<<8 | int64(c)
	}
	*d = decimal.New(v, -2)
	return j
}

func handDecodeClick(data []byte, v *events.Click) error {
	b := bytes.Clone(data)
	i := handReadUUID(b, 0, &v.ID)
	if i < 0 {
		return errBad
	}
	n, i := handReadLong(b, i)
	if i < 0 {
		return errBad
	}
	v.At = time.UnixMilli(n).UTC()
	if i = handReadString(b, i, &v.User); i < 0 {
		return errBad
	}
	if i = handReadString(b, i, &v.URL); i < 0 {
		return errBad
	}
	if n, i = handReadLong(b, i); i < 0 || i+10 > len(b) || int64(int32(n)) != n {
		return errBad
	}
	v.Status = int32(n)
	v.Score = math.Float64frombits(binary.LittleEndian.Uint64(b[i:]))
	v.Mobile = b[i+8] != 0
	switch b[i+9] {
	case 0:
		v.Referrer = nil
		return nil
	case 2:
		v.Referrer = new(string)
		if handReadString(b, i+10, v.Referrer) < 0 {
			return errBad
		}
		return nil
	}
	return errBad
}

func handDecodeOrder(data []byte, v *events.Order) error {
	if handReadOrder(bytes.Clone(data), v) < 0 {
		return errBad
	}
	return nil
}

func handReadOrder(b []byte, v *events.Order) int {
	i := handReadUUID(b, 0, &v.OrderID)
	if i < 0 {
		return -1
	}
	n, i := handReadLong(b, i)
	if i < 0 {
		return -1
	}
	v.Created = time.UnixMicro(n).UTC()
	if n, i = handReadLong(b, i); i < 0 || i >= len(b) || b[i] > 6 || b[i]&1 != 0 {
		return -1
	}
	v.Due = avrobin.Date(n)
	v.Status = events.OrderStatus(b[i] >> 1)
	c := &v.Customer
	if c.ID, i = handReadLong(b, i+1); i < 0 {
		return -1
	}
	if i = handReadString(b, i, &c.Name); i < 0 || i >= len(b) {
		return -1
	}
	if i++; b[i-1] == 2 {
		c.Email = new(string)
		if i = handReadString(b, i, c.Email); i < 0 {
			return -1
		}
	}
	for _, s := range []*string{&c.Address.Street, &c.Address.City, &c.Address.Zip, &c.Address.Country} {
		if i = handReadString(b, i, s); i < 0 {
			return -1
		}
	}
	if n, i = handReadLong(b, i); i < 0 || n > int64(len(b)) {
		return -1
	}
	for n > 0 {
		v.Items = slices.Grow(v.Items, int(n))
		for ; n > 0; n-- {
			v.Items = v.Items[:len(v.Items)+1]
			if i = handReadItem(b, i, &v.Items[len(v.Items)-1]); i < 0 {
				return -1
			}
		}
		if n, i = handReadLong(b, i); i < 0 || n > int64(len(b)) {
			return -1
		}
	}
	if n, i = handReadLong(b, i); i < 0 || n > int64(len(b)) {
		return -1
	}
	for v.Attributes = make(map[string]string, n); n > 0; {
		for ; n > 0; n-- {
			var k, x string
			if i = handReadString(b, i, &k); i < 0 {
				return -1
			}
			if i = handReadString(b, i, &x); i < 0 {
				return -1
			}
			v.Attributes[k] = x
		}
		if n, i = handReadLong(b, i); i < 0 || n > int64(len(b)) {
			return -1
		}
	}
	if i = handReadPayment(b, i, v); i < 0 || i >= len(b) {
		return -1
	}
	switch b[i] {
	case 0:
		v.Note = nil
		i++
	case 2:
		var s string
		if i = handReadString(b, i+1, &s); i < 0 {
			return -1
		}
		v.Note = events.OrderNoteString{Value: s}
	case 4:
		if n, i = handReadLong(b, i+1); i < 0 {
			return -1
		}
		v.Note = events.OrderNoteLong{Value: n}
	default:
		return -1
	}
	return handReadDecimal(b, i, &v.Total)
}

func handReadItem(b []byte, i int, x *events.LineItem) int {
	if i = handReadString(b, i, &x.Sku); i < 0 {
		return -1
	}
	if i = handReadString(b, i, &x.Title); i < 0 {
		return -1
	}
	n, i := handReadLong(b, i)
	if i < 0 || int64(int32(n)) != n {
		return -1
	}
	x.Quantity = int32(n)
	if i = handReadDecimal(b, i, &x.Price); i < 0 || i >= len(b) {
		return -1
	}
	switch b[i] {
	case 0:
		return i + 1
	case 2:
		if i+9 > len(b) {
			return -1
		}
		f := math.Float64frombits(binary.LittleEndian.Uint64(b[i+1:]))
		x.Discount = &f
		return i + 9
	}
	return -1
}

func handReadPayment(b []byte, i int, v *events.Order) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case 0:
		p := new(events.Card)
		if i = handReadString(b, i+1, &p.Pan); i < 0 {
			return -1
		}
		month, i := handReadLong(b, i)
		if i < 0 {
			return -1
		}
		year, i := handReadLong(b, i)
		p.ExpMonth, p.ExpYear = int32(month), int32(year)
		v.Payment = p
		return i
	case 2:
		p := new(events.BankTransfer)
		v.Payment = p
		return handReadString(b, i+1, &p.Iban)
	case 4:
		p := new(events.Wallet)
		v.Payment = p
		if i = handReadString(b, i+1, &p.Provider); i < 0 {
			return -1
		}
		j, k := handReadSpan(b, i)
		if k >= 0 {
			p.Token = b[j:k:k]
		}
		return k
	}
	return -1
}

func handDecodeReadings(data []byte, v *events.Readings) error {
	b := bytes.Clone(data)
	for i := 0; ; {
		n, k := handReadLong(b, i)
		if k < 0 || n < 0 || n > int64(len(b)/11) {
			return errBad
		}
		if n == 0 {
			return nil
		}
		v.Points = slices.Grow(v.Points, int(n))
		for i = k; n > 0; n-- {
			v.Points = v.Points[:len(v.Points)+1]
			p := &v.Points[len(v.Points)-1]
			if p.ID, i = handReadLong(b, i); i < 0 {
				return errBad
			}
			if i = handReadString(b, i, &p.Name); i < 0 || i+9 > len(b) {
				return errBad
			}
			p.Value = math.Float64frombits(binary.LittleEndian.Uint64(b[i:]))
			p.Flag = b[i+8] != 0
			i += 9
		}
	}
}

func handDecodeLongs(b []byte, v *events.Longs) error {
	for i := 0; ; {
		n, k := handReadLong(b, i)
		if k < 0 || n < 0 || n > int64(len(b)) {
			return errBad
		}
		if n == 0 {
			return nil
		}
		v.Values = slices.Grow(v.Values, int(n))
		for i = k; n > 0; n-- {
			var x int64
			if x, i = handReadLong(b, i); i < 0 {
				return errBad
			}
			v.Values = append(v.Values, x)
		}
	}
}
