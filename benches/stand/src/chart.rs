//! The results as horizontal bars, in SVG.

use std::fmt::Write;

use crate::jobs::{JOBS, OWN, inputs};
use crate::report::Report;
use crate::run::Row;

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 170.0;
const LONGEST: f64 = 500.0;
const BAR: f64 = 13.0;
const STEP: f64 = 17.0;

/// Megabytes for each second of CPU on one thread: a group of bars for each job and input, each with its own scale.
pub(crate) fn svg(report: &Report) -> String {
    let mut body = String::new();
    let mut y = 30.0;
    for job in &JOBS {
        for input in inputs(job) {
            let rows: Vec<&Row> =
                report.rows(job, input).into_iter().filter(|row| row.threads == 1 && row.runs > 0).collect();
            if !rows.is_empty() {
                y = group(&mut body, y, &format!("{}: {input}", job.name), &rows);
            }
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"18\" font-size=\"13\" fill=\"#222\">MB for each second of CPU, one thread; longer is \
         faster</text>\n{body}</svg>\n"
    )
}

/// Draws one group below `y` and returns where it ends. Writing to a `String` cannot fail.
fn group(body: &mut String, y: f64, title: &str, rows: &[&Row]) -> f64 {
    let most = rows.iter().map(|row| row.mb_per_cpu_second).fold(f64::MIN_POSITIVE, f64::max);
    let mut y = y + 16.0;
    let _ = writeln!(body, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\" fill=\"#222\">{}</text>", escape(title));
    y += 6.0;
    for row in rows {
        let (speed, length) = (row.mb_per_cpu_second, row.mb_per_cpu_second / most * LONGEST);
        let colour = if row.party == OWN { "#0b6e99" } else { "#b8c0c6" };
        let (text, end) = (y + BAR - 3.0, LEFT + length + 6.0);
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\" fill=\"#222\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
             <text x=\"{end:.1}\" y=\"{text}\" fill=\"#555\">{speed:.0}</text>",
            LEFT - 8.0,
            escape(&row.party),
        );
        y += STEP;
    }
    y + 6.0
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(escape("a<b>&c"), "a&lt;b&gt;&amp;c");
    }
}
