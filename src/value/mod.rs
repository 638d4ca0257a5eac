//! How single values are spelled: numbers, dates, times, UUIDs. Pure functions of bytes.
//!
//! Everything here is a total function from a spelling to a value, used by the sketch to classify and by the batch
//! layer to decode, so that both always agree.

mod boolean;
mod clock;
mod null;
mod number;
mod swar;
mod temporal;
mod uuid;

pub use boolean::boolean;
pub use clock::clock;
pub use null::{NULL_WORDS, null_word};
pub use number::{
    Decimal, Number, Shape, Simple, decimal, decimal_text, double_gives_back, json_number, number, simple,
};
pub(crate) use number::{POWERS, fraction_at};
pub(crate) use swar::{fraction_before, whole_before};
pub use temporal::{Stamp, date, day_first, month_first, time, timestamp};
pub use uuid::{is_uuid, uuid, uuid_text};
