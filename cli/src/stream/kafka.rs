//! Topics into a table.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use longshore::source::{KafkaOptions, OnGap};
use longshore::{Error, KafkaStream, Location, StreamTotals};

use super::args::{Kafka, OnGapArg, Stream};
use super::metrics::Metrics;
use super::stop::Stop;
use crate::exit::{Failure, NO_INPUT};

/// How long messages are waited for before it is looked whether the stream is to end.
const LOOK_UP: Duration = Duration::from_millis(200);

pub(super) fn run(args: &Stream, metrics: &Arc<Metrics>, stop: &Stop) -> Result<StreamTotals, Failure> {
    let kafka = options(&args.kafka)?;
    let first = args.kafka.topic.first().map(|topic| topic.replace('.', "_")).unwrap_or_default();
    let loader = super::loader(args, &first)?;
    let observed = args.options().observer(metrics.clone());
    // Brokers and topics are waited for, which can take half a minute.
    let mut stream = stop.while_opening(|| loader.consume(kafka, observed))?;
    let show = |stream: &KafkaStream| {
        metrics.lag(|| stream.lag());
        metrics.publish(false);
    };
    while !stop.is_set() {
        stream.poll(LOOK_UP)?;
        show(&stream);
    }
    stream.commit()?;
    show(&stream);
    // All is in the table, however long it takes to leave the group.
    stop.done();
    let totals = stream.totals();
    stream.close()?;
    Ok(totals)
}

fn options(args: &Kafka) -> Result<KafkaOptions, Failure> {
    let brokers = args.kafka.as_deref().unwrap_or_default();
    let on_gap = match args.on_gap {
        OnGapArg::Stop => OnGap::Stop,
        OnGapArg::Record => OnGap::Record,
    };
    let mut options = KafkaOptions::new(brokers, &args.topic).group(&args.group).on_gap(on_gap);
    if let Some(name) = &args.cluster {
        options = options.name(name);
    }
    let from_file = args.kafka_config.as_deref().map(properties).transpose()?.unwrap_or_default();
    let given = args.kafka_property.iter().map(|text| property(text)).collect::<longshore::Result<Vec<_>>>()?;
    for (key, value) in from_file.into_iter().chain(given) {
        options = options.property(key, value);
    }
    Ok(options)
}

/// A property as it is written. It may be a password, so the error does not repeat it.
fn property(text: &str) -> longshore::Result<(String, String)> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Error::config("a Kafka property is not written as KEY=VALUE").with_hint(
            "write one as in `fetch.min.bytes=100000`; in a file one stands on a line, and `#` begins a comment",
        ));
    };
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// The properties in a file.
fn properties(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|cause| {
        let error = Error::io("cannot read the Kafka properties", cause).in_source(path.display().to_string());
        Failure::with_code(error, NO_INPUT)
    })?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = |(nth, line): (u64, &str)| {
        let place = Location { source: Some(path.display().to_string()), line: Some(nth), ..Location::default() };
        property(line).map_err(|error| error.with_location(place).into())
    };
    lines.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_property_is_told_by_its_place_and_not_repeated() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# secret\n\nsasl.username = me\nsasl.password hunter2\n").unwrap();
        let error = format!("{:?}", properties(file.path()).unwrap_err());
        assert!(error.contains("line: Some(4)") && error.contains("fetch.min.bytes"), "{error}");
        assert!(error.contains(&file.path().display().to_string()) && !error.contains("hunter2"), "{error}");
        std::fs::write(file.path(), "# secret\n\nsasl.username = me\n").unwrap();
        assert_eq!(properties(file.path()).unwrap(), [("sasl.username".to_owned(), "me".to_owned())]);
    }
}
