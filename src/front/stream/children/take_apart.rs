//! One record as the row of its table and the rows of child tables.

use rustc_hash::FxHashSet;

use super::members::{Member, elements, members, skip_blanks};
use crate::load::{INDEX, PARENT_ID, ROW_ID};
use crate::value::uuid_text;

/// The rows of one record. The first is its own; the others are those of child tables.
#[derive(Debug, Default, PartialEq)]
pub(in crate::front) struct Rows {
    pub(in crate::front) own: Vec<u8>,
    pub(in crate::front) children: Vec<Child>,
}

/// A row of a child table.
#[derive(Debug, PartialEq)]
pub(in crate::front) struct Child {
    /// The keys that lead to the table from the record: `order`, `items`, and for an array within the elements of another
    /// `order`, `items`, `[]`, `tags`.
    pub(in crate::front) keys: Vec<String>,
    pub(in crate::front) json: Vec<u8>,
}

/// Takes a record apart, whose text is a valid JSON object. `id` is that of its row; `wanted` says of an array, by the keys that
/// lead to it, whether its elements become rows.
///
/// # Errors
///
/// The path of a field that has the name of one of ours.
pub(in crate::front) fn take_apart(
    record: &[u8],
    id: [u8; 16],
    wanted: &mut dyn FnMut(&[String]) -> bool,
) -> Result<Rows, String> {
    let mut rows = Rows::default();
    let mut work = Work { wanted, rows: &mut rows };
    let mut own = format!("{{\"{ROW_ID}\":\"{}\"", uuid(id)).into_bytes();
    let mut keys = Vec::new();
    work.members_into(&mut own, record, id, &mut keys, &[ROW_ID])?;
    rows.own = own;
    Ok(rows)
}

/// The record being taken apart.
struct Work<'a> {
    wanted: &'a mut dyn FnMut(&[String]) -> bool,
    rows: &'a mut Rows,
}

impl Work<'_> {
    /// Goes on with an object that has been opened in `out` and has a member, with the members of `object`; closes it.
    fn members_into(
        &mut self,
        out: &mut Vec<u8>,
        object: &[u8],
        id: [u8; 16],
        keys: &mut Vec<String>,
        ours: &[&str],
    ) -> Result<(), String> {
        let all = members(object, skip_blanks(object, 0));
        // Of two members with one key the last counts.
        let mut later = FxHashSet::default();
        let counts: Vec<bool> = all.iter().rev().map(|member| later.insert(&member.key)).collect();
        for (member, counts) in all.iter().zip(counts.into_iter().rev()) {
            if ours.contains(&&*member.key) {
                keys.push(member.key.clone().into_owned());
                return Err(path(keys));
            }
            if !counts {
                continue;
            }
            if out.last() != Some(&b'{') {
                out.push(b',');
            }
            self.member_into(out, object, member, id, keys)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn member_into(
        &mut self,
        out: &mut Vec<u8>,
        object: &[u8],
        member: &Member<'_>,
        id: [u8; 16],
        keys: &mut Vec<String>,
    ) -> Result<(), String> {
        out.extend_from_slice(serde_json::Value::from(&*member.key).to_string().as_bytes());
        out.push(b':');
        keys.push(member.key.clone().into_owned());
        let value = &object[member.value.clone()];
        match value.first() {
            // In keys, `[]` is the step into an array: what a field of that name holds would get the table of another array.
            _ if &*member.key == "[]" => out.extend_from_slice(value),
            Some(b'[') if (self.wanted)(keys) => {
                let count = self.rows_of(value, id, keys)?;
                out.extend_from_slice(count.to_string().as_bytes());
            }
            Some(b'{') => {
                out.push(b'{');
                self.members_into(out, value, id, keys, &[])?;
            }
            _ => out.extend_from_slice(value),
        }
        keys.pop();
        Ok(())
    }

    /// Makes a row of each element; returns how many there are.
    fn rows_of(&mut self, array: &[u8], parent: [u8; 16], keys: &mut Vec<String>) -> Result<usize, String> {
        let all = elements(array, 0);
        for (index, element) in all.iter().enumerate() {
            let element = &array[element.clone()];
            let id = child_id(parent, keys, index);
            let mut json = format!("{{\"{PARENT_ID}\":\"{}\",\"{INDEX}\":{index}", uuid(parent)).into_bytes();
            if element.first() == Some(&b'{') {
                let before = self.rows.children.len();
                // Goes on behind our own members, so every member of the element comes with a comma.
                let mut body = Vec::new();
                keys.push("[]".to_owned());
                self.members_into(&mut body, element, id, keys, &[ROW_ID, PARENT_ID, INDEX])?;
                keys.pop();
                if self.rows.children.len() > before {
                    json.extend_from_slice(format!(",\"{ROW_ID}\":\"{}\"", uuid(id)).as_bytes());
                }
                json.extend_from_slice(&body);
            } else {
                json.extend_from_slice(b",\"value\":");
                json.extend_from_slice(element);
                json.push(b'}');
            }
            self.rows.children.push(Child { keys: keys.clone(), json });
        }
        Ok(all.len())
    }
}

/// The path of keys as text: `order.items[].tags`.
fn path(keys: &[String]) -> String {
    crate::path::Path::new(keys.iter().cloned()).to_string()
}

/// The id of the row of a record of a stream, made of where the record came from: its source, its write, and its byte in that.
pub(in crate::front) fn row_id(source: &str, position: u64, byte: u64) -> [u8; 16] {
    id_of(b"longshore row 1", source, position, byte)
}

/// The id of the row of a record of a file: of its load, the number of the file in that, and its byte in the file.
pub(in crate::front) fn file_row_id(load_id: &str, nth: u64, byte: u64) -> [u8; 16] {
    id_of(b"longshore file row 1", load_id, nth, byte)
}

fn id_of(kind: &[u8], name: &str, nth: u64, byte: u64) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind);
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(&nth.to_le_bytes());
    hasher.update(&byte.to_le_bytes());
    first_16(hasher.finalize().as_bytes())
}

/// The id of the element at `index` of an array.
fn child_id(parent: [u8; 16], keys: &[String], index: usize) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"longshore child 1");
    hasher.update(&parent);
    for key in keys {
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key.as_bytes());
    }
    hasher.update(&(index as u64).to_le_bytes());
    first_16(hasher.finalize().as_bytes())
}

/// The first 16 bytes of a hash.
fn first_16(hash: &[u8; 32]) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    id
}

fn uuid(id: [u8; 16]) -> String {
    String::from_utf8_lossy(&uuid_text(&id)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::stream::ChildTables;

    fn apart(record: &str, which: &ChildTables) -> Result<Vec<String>, String> {
        let rows = take_apart(record.as_bytes(), [1; 16], &mut |keys| which.wants(keys))?;
        let text = |json: &[u8]| {
            let value: serde_json::Value =
                serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {json:?}"));
            let serde_json::Value::Object(mut map) = value else { panic!("no object") };
            map.retain(|key, _| !key.ends_with("_id"));
            serde_json::Value::Object(map).to_string()
        };
        let children = rows.children.iter().map(|child| format!("{} {}", path(&child.keys), text(&child.json)));
        Ok([text(&rows.own)].into_iter().chain(children).collect())
    }

    #[test]
    fn what_a_field_named_like_the_step_into_an_array_holds_stays_whole() {
        let record = r#"{"[]":[1,2],"a":{"[]":{"b":[3]}},"b":[{"[]":[4]}]}"#;
        let found = apart(record, &ChildTables::All).unwrap();
        assert_eq!(found, [r#"{"[]":[1,2],"a":{"[]":{"b":[3]}},"b":1}"#, r#"b {"_index":0,"[]":[4]}"#]);
    }

    #[test]
    fn an_array_leaves_its_length_and_its_elements_are_rows() {
        let record = r#" { "id" : 7, "o":{"items":[{"a":1}, 2 ,null,{} , [3]],"x":"]"}, "none":[] } "#;
        assert_eq!(
            apart(record, &ChildTables::All).unwrap(),
            [
                r#"{"id":7,"o":{"items":5,"x":"]"},"none":0}"#,
                r#"o.items {"_index":0,"a":1}"#,
                r#"o.items {"_index":1,"value":2}"#,
                r#"o.items {"_index":2,"value":null}"#,
                r#"o.items {"_index":3}"#,
                r#"o.items {"_index":4,"value":[3]}"#,
            ]
        );
        let named = ChildTables::paths(["none"]);
        assert_eq!(
            apart(record, &named).unwrap(),
            [r#"{"id":7,"o":{"items":[{"a":1},2,null,{},[3]],"x":"]"},"none":0}"#]
        );
    }

    #[test]
    fn arrays_within_elements_are_rows_of_their_own_that_point_at_the_element() {
        let record = br#"{"a":[{"b":[1,2],"c":[]},{"b":[]}]}"#;
        let rows = take_apart(record, [1; 16], &mut |_| true).unwrap();
        let json: Vec<serde_json::Value> =
            rows.children.iter().map(|child| serde_json::from_slice(&child.json).unwrap()).collect();
        assert_eq!(rows.children[0].keys, ["a", "[]", "b"]);
        assert_eq!((&json[0]["_parent_id"], &json[1]["_parent_id"]), (&json[2]["_row_id"], &json[2]["_row_id"]));
        assert_eq!(json[2]["b"], 2);
        assert!(json[3].get("_row_id").is_none(), "it has no rows below it");
        let again = take_apart(record, [1; 16], &mut |_| true).unwrap();
        assert_eq!(rows, again);
    }

    #[test]
    fn of_two_members_with_one_key_the_last_counts() {
        assert_eq!(apart(r#"{"a":[1,2],"a":"x"}"#, &ChildTables::All).unwrap(), [r#"{"a":"x"}"#]);
        let found = apart(r#"{"a":[1],"\u0061":[2]}"#, &ChildTables::All).unwrap();
        assert_eq!(found, [r#"{"a":1}"#, r#"a {"_index":0,"value":2}"#]);
    }

    #[test]
    fn a_field_with_one_of_our_names_is_told() {
        for (record, path) in [
            (r#"{"_row_id":1}"#, "_row_id"),
            (r#"{"a":[{"_parent_id":1}]}"#, "a[]._parent_id"),
            (r#"{"a":[{"\u005findex":1}]}"#, "a[]._index"),
        ] {
            assert_eq!(apart(record, &ChildTables::All).unwrap_err(), path);
        }
        apart(r#"{"a":{"_row_id":1},"_parent_id":2,"b":[{"c":{"_index":1}}]}"#, &ChildTables::All).unwrap();
    }

    #[test]
    fn an_id_is_a_uuid() {
        assert_eq!(uuid([0xab; 16]), "abababab-abab-abab-abab-abababababab");
    }
}
