//! What the client library says, as errors of ours.

use std::fmt::Display;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::error::{Error, ErrorKind};

/// What properties this build knows.
const PROPERTIES: &str = if cfg!(feature = "kafka-tls") {
    "see the client library's list of properties; Kerberos (GSSAPI) is not in this build"
} else {
    "see the client library's list of properties; TLS and SASL need the feature `kafka-tls`"
};

/// Makes an error of a failed call. What can hold a property's value is not shown.
pub(super) fn failed(doing: impl Display, error: &KafkaError) -> Error {
    if let KafkaError::ClientConfig(_, what, key, _) = error {
        let kind = if is_missing_feature(what) { ErrorKind::Unsupported } else { ErrorKind::Config };
        return Error::new(kind, format!("{doing}: the property `{key}` is refused")).with_hint(PROPERTIES);
    }
    if let KafkaError::ClientCreation(what) = error {
        let kind = if is_missing_feature(what) { ErrorKind::Unsupported } else { ErrorKind::Config };
        return Error::new(kind, format!("{doing}: {what}")).with_hint(PROPERTIES);
    }
    let Some(code) = error.rdkafka_error_code() else {
        return Error::new(ErrorKind::Io, format!("{doing}: {error}"));
    };
    let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
    let failure = Error::new(ErrorKind::Io, format!("{doing}: {code}")).with_temporary(!fatal && may_pass(code));
    match hint(code) {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn is_missing_feature(what: &str) -> bool {
    ["not available at build time", "not supported by this build", "OpenSSL"].iter().any(|sign| what.contains(sign))
}

/// Whether the client library goes on by itself, and may succeed.
fn may_pass(code: Code) -> bool {
    use Code::*;
    matches!(
        code,
        BrokerTransportFailure
            | AllBrokersDown
            | Resolve
            | OperationTimedOut
            | MessageTimedOut
            | TimedOutQueue
            | WaitingForCoordinator
            | PollExceeded
            | Retry
            | NodeUpdate
            | WaitCache
            | InProgress
            | AssignmentLost
            | LeaderNotAvailable
            | NotLeaderForPartition
            | RequestTimedOut
            | BrokerNotAvailable
            | ReplicaNotAvailable
            | NetworkException
            | CoordinatorLoadInProgress
            | CoordinatorNotAvailable
            | NotCoordinator
            | IllegalGeneration
            | UnknownMemberId
            | RebalanceInProgress
            | KafkaStorageError
            | FencedLeaderEpoch
            | UnknownLeaderEpoch
            | OffsetNotAvailable
            | FetchSessionIdNotFound
            | InvalidFetchSessionEpoch
            | ThrottlingQuotaExceeded
    )
}

fn hint(code: Code) -> Option<&'static str> {
    use Code::*;
    Some(match code {
        UnknownTopicOrPartition | UnknownTopic | UnknownPartition => "create the topic first, or check its name",
        BrokerTransportFailure | AllBrokersDown | Resolve | OperationTimedOut => {
            "check host and port, and that the broker advertises an address that can be reached from here"
        }
        TopicAuthorizationFailed | GroupAuthorizationFailed | ClusterAuthorizationFailed => {
            "the user needs to READ the topic and the group, and to DESCRIBE the topic"
        }
        Authentication | SaslAuthenticationFailed => {
            "check `security.protocol`, and mechanism, user and password of the properties `sasl.…`"
        }
        SSL => {
            "check `security.protocol`, and that the file `ssl.ca.location` holds who signed the brokers' certificates"
        }
        NotImplemented | UnsupportedCompressionType | BadCompression => {
            "have the producer or the topic use gzip, snappy, lz4, zstd or no compression"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::types::RDKafkaConfRes;

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        let error = |code| failed("reading", &KafkaError::MessageConsumption(code));
        for code in [Code::AllBrokersDown, Code::NotLeaderForPartition, Code::RebalanceInProgress, Code::PollExceeded] {
            assert!(error(code).is_temporary(), "{code:?}");
        }
        for code in [Code::UnknownTopicOrPartition, Code::SaslAuthenticationFailed, Code::NotImplemented] {
            assert!(!error(code).is_temporary() && error(code).hint().is_some(), "{code:?}");
        }
        assert!(!failed("reading", &KafkaError::MessageConsumptionFatal(Code::AllBrokersDown)).is_temporary());
    }

    #[test]
    fn a_refused_property_is_named_without_its_value() {
        let refused = RDKafkaConfRes::RD_KAFKA_CONF_INVALID;
        let error = KafkaError::ClientConfig(refused, "Invalid value".into(), "sasl.password".into(), "hunter2".into());
        let error = failed("connecting", &error);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("sasl.password") && !format!("{error:?}").contains("hunter2"));
    }
}
