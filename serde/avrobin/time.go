package avrobin

import (
	"fmt"
	"math"
	"time"
)

// Times (Avro 1.12, "Logical Types"). A time is rounded down to the unit of the
// Avro type. A time outside the range of the type is an [ErrRange].

// AppendTimestampMillis appends the instant t in milliseconds since 1970 UTC.
func AppendTimestampMillis(dst []byte, t time.Time) ([]byte, error) {
	const most = math.MaxInt64 / 1_000
	s := t.Unix()
	v := s*1_000 + int64(uint32(t.Nanosecond())/1_000_000)
	// In the outermost second the product may overflow. Then its sign is wrong.
	if s < -most-1 || s > most || s^v < 0 {
		return dst, timeError(t, "milliseconds")
	}
	return AppendLong(dst, v), nil
}

// AppendTimestampMicros appends the instant t in microseconds since 1970 UTC.
func AppendTimestampMicros(dst []byte, t time.Time) ([]byte, error) {
	const most = math.MaxInt64 / 1_000_000
	s := t.Unix()
	v := s*1_000_000 + int64(uint32(t.Nanosecond())/1_000)
	if s < -most-1 || s > most || s^v < 0 {
		return dst, timeError(t, "microseconds")
	}
	return AppendLong(dst, v), nil
}

// AppendTimestampNanos appends the instant t in nanoseconds since 1970 UTC. The
// range is the years 1678 to 2262.
func AppendTimestampNanos(dst []byte, t time.Time) ([]byte, error) {
	const most = math.MaxInt64 / 1_000_000_000
	s := t.Unix()
	v := s*1_000_000_000 + int64(t.Nanosecond())
	if s < -most-1 || s > most || s^v < 0 {
		return dst, timeError(t, "nanoseconds")
	}
	return AppendLong(dst, v), nil
}

// AppendLocalTimestampMillis appends the wall clock time of t in t's own
// location, in milliseconds since 1970-01-01 00:00.
func AppendLocalTimestampMillis(dst []byte, t time.Time) ([]byte, error) {
	return AppendTimestampMillis(dst, wallClock(t))
}

// AppendLocalTimestampMicros is AppendLocalTimestampMillis in microseconds.
func AppendLocalTimestampMicros(dst []byte, t time.Time) ([]byte, error) {
	return AppendTimestampMicros(dst, wallClock(t))
}

// AppendLocalTimestampNanos is AppendLocalTimestampMillis in nanoseconds.
func AppendLocalTimestampNanos(dst []byte, t time.Time) ([]byte, error) {
	return AppendTimestampNanos(dst, wallClock(t))
}

// ReadTimestampMillis reads a timestamp as a time in UTC. It also reads
// local-timestamp-millis. Then the time in UTC holds the wall clock.
func ReadTimestampMillis(src []byte) (t time.Time, rest []byte, err error) {
	v, rest, err := ReadLong(src)
	if err != nil {
		return t, src, err
	}
	return time.UnixMilli(v).UTC(), rest, nil
}

// ReadTimestampMicros is [ReadTimestampMillis] for microseconds.
func ReadTimestampMicros(src []byte) (t time.Time, rest []byte, err error) {
	v, rest, err := ReadLong(src)
	if err != nil {
		return t, src, err
	}
	return time.UnixMicro(v).UTC(), rest, nil
}

// ReadTimestampNanos is [ReadTimestampMillis] for nanoseconds.
func ReadTimestampNanos(src []byte) (t time.Time, rest []byte, err error) {
	v, rest, err := ReadLong(src)
	if err != nil {
		return t, src, err
	}
	return time.Unix(0, v).UTC(), rest, nil
}

const day = 24 * time.Hour

// AppendTimeMillis appends a time of day in milliseconds. d is the time since
// midnight and must be less than 24 hours.
func AppendTimeMillis(dst []byte, d time.Duration) ([]byte, error) {
	if d < 0 || d >= day {
		return dst, timeOfDayError(d)
	}
	return AppendLong(dst, int64(d/time.Millisecond)), nil
}

// AppendTimeMicros is [AppendTimeMillis] in microseconds.
func AppendTimeMicros(dst []byte, d time.Duration) ([]byte, error) {
	if d < 0 || d >= day {
		return dst, timeOfDayError(d)
	}
	return AppendLong(dst, int64(d/time.Microsecond)), nil
}

// ReadTimeMillis reads a time of day as the time since midnight. A value of 24
// hours or more is an error, and so is a negative value.
func ReadTimeMillis(src []byte) (d time.Duration, rest []byte, err error) {
	v, rest, err := ReadInt(src)
	if err != nil {
		return 0, src, err
	}
	if v < 0 || int64(v) >= int64(day/time.Millisecond) {
		return 0, src, fmt.Errorf("%w: %d milliseconds are no time of day", ErrRange, v)
	}
	return time.Duration(v) * time.Millisecond, rest, nil
}

// ReadTimeMicros is [ReadTimeMillis] for microseconds.
func ReadTimeMicros(src []byte) (d time.Duration, rest []byte, err error) {
	v, rest, err := ReadLong(src)
	if err != nil {
		return 0, src, err
	}
	if v < 0 || v >= int64(day/time.Microsecond) {
		return 0, src, fmt.Errorf("%w: %d microseconds are no time of day", ErrRange, v)
	}
	return time.Duration(v) * time.Microsecond, rest, nil
}

// wallClock returns the time in UTC that has the same wall clock as t.
func wallClock(t time.Time) time.Time {
	_, offset := t.Zone()
	if offset == 0 {
		return t
	}
	return time.Unix(t.Unix()+int64(offset), int64(t.Nanosecond()))
}

func timeError(t time.Time, unit string) error {
	return fmt.Errorf("%w: %v in %s does not fit a long", ErrRange, t, unit)
}

func timeOfDayError(d time.Duration) error {
	return fmt.Errorf("%w: %v is no time of day", ErrRange, d)
}
