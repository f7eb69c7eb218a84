//! The time of day and the calendar, both in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns year, month, day, hour, minute and second of now.
pub fn now() -> [u64; 6] {
    of(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// Returns the time of now as text, to the minute.
pub fn now_to_the_minute() -> String {
    let [year, month, day, hour, minute, _] = now();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// Returns year, month, day, hour, minute and second of a time in seconds after 1970.
pub fn of(seconds: u64) -> [u64; 6] {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, by eras of 400 years (Hinnant, 2013).
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    [year, month, day, rest / 3_600, rest / 60 % 60, rest % 60]
}
