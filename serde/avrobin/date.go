package avrobin

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Date is a calendar date without a time and without a zone. It counts the days
// since 1970-01-01 (Avro 1.12, "Date"). Its text and JSON form is ISO 8601, for
// example "2026-01-31". Years outside 0 to 9999 have a sign and at least four
// digits, for example "-0044-03-15".
type Date int32

const secondsOfDay = 24 * 60 * 60

// DateOf returns the date of t in t's own location. If a Date cannot hold the
// date, DateOf returns the nearest Date. The limit is some five million years
// away.
func DateOf(t time.Time) Date {
	_, offset := t.Zone()
	s := t.Unix() + int64(offset)
	days := s / secondsOfDay
	if s%secondsOfDay < 0 {
		days-- // round down, also before 1970
	}
	return Date(min(max(days, -1<<31), 1<<31-1))
}

// Time returns the date's midnight in UTC.
func (d Date) Time() time.Time { return time.Unix(int64(d)*secondsOfDay, 0).UTC() }

// String returns the date in ISO 8601.
func (d Date) String() string {
	year, month, dayOfMonth := d.Time().Date()
	switch {
	case year < 0:
		return fmt.Sprintf("-%04d-%02d-%02d", -year, int(month), dayOfMonth)
	case year > 9999:
		return fmt.Sprintf("+%d-%02d-%02d", year, int(month), dayOfMonth)
	}
	return fmt.Sprintf("%04d-%02d-%02d", year, int(month), dayOfMonth)
}

// MarshalText returns String as bytes.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the output of String.
func (d *Date) UnmarshalText(text []byte) error {
	s := string(text)
	parts := strings.Split(strings.TrimLeft(s, "+-"), "-")
	if len(parts) != 3 {
		return dateError(s)
	}
	var n [3]int
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return dateError(s)
		}
		n[i] = int(v)
	}
	if strings.HasPrefix(s, "-") {
		n[0] = -n[0]
	}
	// The round trip refuses an invalid date: the 30th of February, a year out
	// of range, a missing zero.
	parsed := DateOf(time.Date(n[0], time.Month(n[1]), n[2], 0, 0, 0, 0, time.UTC))
	if parsed.String() != s {
		return dateError(s)
	}
	*d = parsed
	return nil
}

func dateError(s string) error {
	return fmt.Errorf("avro: %s is no date: write it as 2006-01-02", quote(s))
}

// AppendDate appends a date.
func AppendDate(dst []byte, d Date) []byte { return AppendLong(dst, int64(d)) }

// ReadDate reads a date.
func ReadDate(src []byte) (d Date, rest []byte, err error) {
	v, rest, err := ReadInt(src)
	return Date(v), rest, err
}
