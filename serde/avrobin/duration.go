package avrobin

import "encoding/binary"

// Duration is the Avro duration (Avro 1.12, "Duration"). Its three numbers
// cannot be added up, because months and days differ in length.
type Duration struct {
	Months uint32 `json:"months"`
	Days   uint32 `json:"days"`
	Millis uint32 `json:"millis"`
}

// DurationSize is the size of the fixed that holds a duration.
const DurationSize = 12

// AppendDuration appends a duration.
func AppendDuration(dst []byte, d Duration) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, d.Months)
	dst = binary.LittleEndian.AppendUint32(dst, d.Days)
	return binary.LittleEndian.AppendUint32(dst, d.Millis)
}

// ReadDuration reads a duration.
func ReadDuration(src []byte) (d Duration, rest []byte, err error) {
	if len(src) < DurationSize {
		return d, src, ErrTruncated
	}
	d.Months = binary.LittleEndian.Uint32(src)
	d.Days = binary.LittleEndian.Uint32(src[4:])
	d.Millis = binary.LittleEndian.Uint32(src[8:])
	return d, src[DurationSize:], nil
}
