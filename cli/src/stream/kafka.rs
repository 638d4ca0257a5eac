//! Topics into a table.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use longshore::source::{KafkaOptions, OnGap};
use longshore::{Error, KafkaStream, StreamTotals};

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
    for line in from_file.iter().chain(&args.kafka_property) {
        let Some((key, value)) = line.split_once('=') else {
            return Err(Error::config("a Kafka property is not written as KEY=VALUE").into());
        };
        options = options.property(key.trim(), value.trim());
    }
    Ok(options)
}

/// The lines of a file of properties, without comments.
fn properties(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|cause| {
        let error = Error::io("cannot read the Kafka properties", cause).in_source(path.display().to_string());
        Failure::with_code(error, NO_INPUT)
    })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_string).collect())
}
