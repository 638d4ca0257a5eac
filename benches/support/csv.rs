//! CSV.

use std::fmt::Write;

use super::{Random, Time, WORDS, words};

pub(super) const FLIGHTS_HEAD: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n";
pub(super) const REVIEWS_HEAD: &str = "id,product,rating,title,review,posted,verified\n";

/// Writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { let _ = write!($out, $($text)*); };
}

pub(super) fn flight(random: &mut Random, out: &mut String, i: u64) {
    let (month, day) = (i / 28_000 % 12 + 1, i / 1000 % 28 + 1);
    let (hour, minute) = (5 + random.below(18), random.below(60));
    let planned = hour * 100 + minute;
    let arrival = (planned + 200) % 2400;
    let cancelled = random.once_in(40);
    put!(out, "2024,{month},{day},");
    if cancelled {
        put!(out, "NA,{planned},NA,NA,{arrival},NA,");
    } else {
        let late = random.below(120) as i64 - 20;
        put!(out, "{},{planned},{late},{},{arrival},{},", (planned + 7) % 2400, (planned + 210) % 2400, late - 5);
    }
    let carrier = random.pick(&["UA", "AA", "B6", "DL", "EV", "MQ", "9E", "WN"]);
    put!(out, "{carrier},{},", 1 + random.below(6000));
    put!(out, "N{}{},", 100 + random.below(900), random.pick(&["UA", "AA", "JB", "DL"]));
    let (origin, dest) =
        (random.pick(&["EWR", "LGA", "JFK"]), random.pick(&["IAH", "MIA", "ATL", "ORD", "BOS", "LAX"]));
    put!(out, "{origin},{dest},");
    if cancelled {
        out.push_str("NA");
    } else {
        put!(out, "{}", 30 + random.below(400));
    }
    put!(out, ",{},{hour},{minute},2024-{month:02}-{day:02} {hour:02}:00:00", 100 + random.below(2500));
}

pub(super) fn review(random: &mut Random, out: &mut String, i: u64) {
    put!(out, "{i},\"{}, {}\",{},", random.pick(&WORDS), random.pick(&WORDS), 1 + random.below(5));
    words(random, out, (2, 6), 12);
    out.push_str(",\"");
    let foreign = if random.once_in(10) { 2 } else { 40 };
    for paragraph in 0..1 + random.below(4) {
        if paragraph > 0 {
            out.push('\n');
        }
        words(random, out, (5, 25), foreign);
        out.push_str(random.pick(&[", and ", ", \"\"so to say\"\" ", ", but ", "; ", " (\"\"quote\"\", he said) "]));
        words(random, out, (3, 12), foreign);
        out.push('.');
    }
    let posted = Time::after(i * 60);
    put!(out, "\",2024-{:02}-{:02},{}", posted.month, posted.day, random.pick(&["true", "false"]));
}
