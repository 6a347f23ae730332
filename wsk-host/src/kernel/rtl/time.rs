//! `RtlTime…`: times as dates.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{BOOLEAN, FALSE, LARGE_INTEGER, LONGLONG, PLARGE_INTEGER, TRUE, fields};

/// `TIME_FIELDS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeFields {
    year: i16,
    month: i16,
    day: i16,
    hour: i16,
    minute: i16,
    second: i16,
    milliseconds: i16,
    /// From Sunday.
    weekday: i16,
}

const TICKS_PER_MILLISECOND: i64 = 10_000;
const MILLISECONDS_PER_DAY: i64 = 86_400_000;

/// Days from 1601-01-01 to the first day of March of a year, in the Gregorian calendar.
fn days_until_march(year: i64) -> i64 {
    let years = year - 1600;
    365 * years + years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400) - 366 + 60
}

/// Days from 1601-01-01 to a date. Months are counted from March, so that a leap day is the last day of a year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let from_march = (month + 9) % 12;
    let year = if month <= 2 { year - 1 } else { year };
    days_until_march(year) + (153 * from_march + 2) / 5 + day - 1
}

fn number(value: i64) -> i16 {
    i16::try_from(value).unwrap_or(i16::MAX)
}

fn to_fields(time: i64) -> TimeFields {
    let milliseconds = time / TICKS_PER_MILLISECOND;
    let (day, rest) = (milliseconds / MILLISECONDS_PER_DAY, milliseconds % MILLISECONDS_PER_DAY);
    let mut year = 1601 + day / 366;
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days(year, month + 1, 1) <= day {
        month += 1;
    }
    TimeFields {
        year: number(year),
        month: number(month),
        day: number(day - days(year, month, 1) + 1),
        hour: number(rest / 3_600_000),
        minute: number(rest / 60_000 % 60),
        second: number(rest / 1000 % 60),
        milliseconds: number(rest % 1000),
        // 1601-01-01 was a Monday.
        weekday: number((day + 1) % 7),
    }
}

fn to_time(fields: TimeFields) -> Option<i64> {
    let TimeFields { year, month, day, hour, minute, second, milliseconds, .. } = fields;
    let is_time = (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second)
        && (0..1000).contains(&milliseconds);
    if !is_time || !(1601..=30827).contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let date = days(year.into(), month.into(), day.into());
    let next = if month == 12 {
        days(i64::from(year) + 1, 1, 1)
    } else {
        days(year.into(), i64::from(month) + 1, 1)
    };
    if date >= next {
        return None;
    }
    let of_day = ((i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second)) * 1000
        + i64::from(milliseconds);
    Some((date * MILLISECONDS_PER_DAY + of_day) * TICKS_PER_MILLISECOND)
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlTimeToTimeFields(time: PLARGE_INTEGER, fields: *mut TimeFields) {
    // SAFETY: the caller passes a time.
    let time = fields::quad_part(unsafe { &*time });
    // SAFETY: the caller passes room for fields.
    unsafe { fields.write(to_fields(time)) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlTimeFieldsToTime(
    fields: *mut TimeFields,
    time: *mut LARGE_INTEGER,
) -> BOOLEAN {
    // SAFETY: the caller passes fields.
    let Some(found) = to_time(unsafe { fields.read() }) else { return FALSE };
    // SAFETY: the caller passes room for a time, which has the size and the alignment of a number.
    unsafe { time.cast::<LONGLONG>().write(found) };
    TRUE
}

/// A host is in the zone of UTC.
#[wsk_host_macros::export]
unsafe extern "C" fn ExSystemTimeToLocalTime(system: PLARGE_INTEGER, local: PLARGE_INTEGER) {
    // SAFETY: the caller passes a time, and room for one.
    unsafe { local.write(system.read()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = MILLISECONDS_PER_DAY * TICKS_PER_MILLISECOND;

    #[test]
    fn known_times_have_their_documented_fields() {
        let fields = to_fields(0);
        assert_eq!((fields.year, fields.month, fields.day, fields.weekday), (1601, 1, 1, 1));
        // 2000-02-29 12:34:56.789, a Tuesday.
        let time = 125_963_012_967_890_000;
        let fields = to_fields(time);
        let date = (fields.year, fields.month, fields.day, fields.weekday);
        assert_eq!(date, (2000, 2, 29, 2));
        let rest = (fields.hour, fields.minute, fields.second, fields.milliseconds);
        assert_eq!(rest, (12, 34, 56, 789));
        assert_eq!(to_time(fields), Some(time));
        // The Unix epoch, a Thursday.
        let fields = to_fields(116_444_736_000_000_000);
        assert_eq!((fields.year, fields.month, fields.day, fields.weekday), (1970, 1, 1, 4));
    }

    #[test]
    fn every_day_survives_its_conversion() {
        for day in (0..400_000).step_by(17) {
            assert_eq!(to_time(to_fields(day * DAY)), Some(day * DAY), "day {day}");
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        let date = |year, month, day| TimeFields { year, month, day, ..TimeFields::default() };
        assert!(to_time(date(2000, 2, 29)).is_some());
        for (year, month, day) in [(1900, 2, 29), (2001, 2, 29), (2001, 13, 1), (2001, 4, 31)] {
            assert_eq!(to_time(date(year, month, day)), None, "{year}-{month}-{day}");
        }
    }
}
