//! Every typed case of `fixtures/inference-cases.jsonl`: what a column's type is, and which lines are no records.

use std::fmt::Write;

use longshore::records::{FormatOptions, Kind};
use longshore::{Inference, Policy, ReadOptions, Schema, Source, Type};
use serde_json::Value;

/// Policy cases are not hard bars: a design may choose otherwise, and here longshore does.
///
/// - c-159: `1,2,3` over `4,5,6` is data without a header.
/// - c-160: a short row is quarantined, so it does not make the missing column nullable.
/// - c-162: a quote that never closes costs its line, which is quarantined.
const POLICY_MISSES: &[&str] = &["c-159", "c-160", "c-162"];

struct Case {
    json: Value,
    input: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/inference-cases.jsonl");
    let text = std::fs::read_to_string(path).expect("the cases are part of the repository");
    let case = |line: &str| {
        let json: Value = serde_json::from_str(line).expect("a case is JSON");
        let input = input(&json);
        Case { json, input }
    };
    text.lines().map(case).collect()
}

fn input(case: &Value) -> Vec<u8> {
    if let Some(text) = case["input"].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(text) = case["input_b64"].as_str() {
        return base64(text);
    }
    let parts = case["input_parts"].as_array().expect("a case has an input");
    let part = |part: &Value| part[0].as_str().unwrap().repeat(part[1].as_u64().unwrap() as usize);
    parts.iter().map(part).collect::<String>().into_bytes()
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut out = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 6 | u32::from(digit(*byte))) << (6 * (4 - group.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    out
}

/// Whether `found` passes for `wanted`, by the rules of the table's README.
fn passes(wanted: &str, found: Type) -> bool {
    let found_name = found.to_string();
    if wanted == found_name {
        return true;
    }
    if wanted == "decimal" {
        return matches!(found, Type::Decimal { .. });
    }
    match (wanted.parse::<Type>(), found) {
        (Ok(Type::Decimal { precision: p, scale: s }), Type::Decimal { precision, scale }) => {
            scale >= s && i16::from(precision) - i16::from(scale) >= i16::from(p) - i16::from(s)
        }
        (Ok(Type::Int16), Type::Int32 | Type::Int64) | (Ok(Type::Int32), Type::Int64) => true,
        _ => false,
    }
}

/// What is wrong with the answer to a case, or nothing.
fn judge(case: &Case, schema: &Schema, quarantined: &[u64]) -> String {
    let mut wrong = String::new();
    let expected = case.json["expect"].as_object().unwrap();
    for (name, want) in expected {
        let wanted = want["type"].as_str().unwrap();
        let accepted: Vec<&str> =
            want["accept"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect();
        let Some(column) = schema.column(name) else {
            let nested = schema.columns.iter().any(|column| column.path.to_string().starts_with(&format!("{name}.")));
            if !(nested && accepted.contains(&"flattened")) {
                write!(wrong, " `{name}` is missing;").unwrap();
            }
            continue;
        };
        if !passes(wanted, column.ty) && !accepted.iter().any(|name| passes(name, column.ty)) {
            write!(wrong, " `{name}` is {}, wanted {wanted} {accepted:?};", column.ty).unwrap();
        }
        if Some(column.nullable) != want["nullable"].as_bool() {
            write!(wrong, " `{name}` nullable is {};", column.nullable).unwrap();
        }
    }
    let surplus = schema.columns.iter().filter(|column| {
        let path = column.path.to_string();
        !expected.keys().any(|name| path == *name || path.starts_with(&format!("{name}.")))
    });
    surplus.for_each(|column| write!(wrong, " `{}` is one too many;", column.path).unwrap());
    let lines: Vec<u64> =
        case.json["quarantine"].as_array().into_iter().flatten().map(|line| line.as_u64().unwrap()).collect();
    if quarantined != lines {
        write!(wrong, " quarantined {quarantined:?}, wanted {lines:?};").unwrap();
    }
    wrong
}

fn answer(case: &Case, options: &ReadOptions) -> (Schema, Vec<u64>) {
    let mut options = options.clone();
    if let Some(delimiter) = case.json["dialect"]["delimiter"].as_str() {
        options.format.delimiter = Some(delimiter.as_bytes()[0]);
    }
    let inference = Inference::of(&Source::bytes(case.input.clone()), &options).expect("every case can be read");
    let lines = inference.sketch.bad().first().iter().map(|(position, _)| position.line).collect();
    (Policy::default().resolve(&inference.sketch).unwrap(), lines)
}

#[test]
fn every_hard_case_has_the_right_types_and_quarantined_lines() {
    let mut hard = 0;
    let (mut wrong, mut policy) = (Vec::new(), Vec::new());
    for case in cases() {
        let csv = case.json["format"] == "csv";
        let kind = match case.input.first() {
            _ if csv => Kind::Csv,
            Some(b'[') => Kind::Json,
            _ => Kind::Ndjson,
        };
        // Once by looking at the data, once told what it is.
        let told = FormatOptions { kind: Some(kind), header: csv.then_some(true), ..FormatOptions::default() };
        for format in [FormatOptions::default(), told] {
            let (schema, quarantined) = answer(&case, &ReadOptions::default().threads(1).format(format));
            let judgement = judge(&case, &schema, &quarantined);
            let id = case.json["id"].as_str().unwrap().to_string();
            let is_policy = case.json["policy"] == true;
            hard += usize::from(!is_policy);
            if !judgement.is_empty() {
                let list = if is_policy { &mut policy } else { &mut wrong };
                list.push(format!("{id} ({}):{judgement}", if format.kind.is_some() { "told" } else { "found" }));
            }
        }
    }
    println!(
        "{hard} hard answers, {} wrong; policy cases answered in another way:\n{}",
        wrong.len(),
        policy.join("\n")
    );
    assert!(hard >= 288, "only {hard} hard answers were judged");
    assert!(wrong.is_empty(), "{} wrong of {hard}:\n{}", wrong.len(), wrong.join("\n"));
    let unknown: Vec<_> = policy.iter().filter(|miss| !POLICY_MISSES.contains(&&miss[..5])).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}
