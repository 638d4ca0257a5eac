//! Room for whole numbers to grow in: what a stream has shown is only its beginning.

use super::there::There;
use crate::schema::{Policy, Schema, Type};
use crate::sketch::Sketch;

/// Makes new columns of whole numbers `integer` at the least. A counter does not stay below 32,768, and to widen its column is to
/// rewrite the table. It is not more than that: how wide a column becomes must not depend on how the stream is cut into batches.
///
/// A column that is there stays as it is, and so does what a hint or a record batch says.
pub(super) fn leave_room(schema: &mut Schema, there: &There<'_>, seen: &Sketch, policy: &Policy) {
    for column in schema.columns.iter_mut().filter(|column| column.ty == Type::Int16) {
        let field = seen.fields().binary_search_by(|field| field.path.cmp(&column.path));
        // What a record batch declares has no range.
        let is_seen = field.is_ok_and(|at| seen.fields()[at].evidence.ints().is_some());
        let is_hinted = policy.hint_of(&column.path).is_some();
        if is_seen && !is_hinted && there.column(column).is_none() {
            column.ty = Type::Int32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use crate::path::Path;
    use crate::plan::{ExistingColumn, ExistingTable, PgType};
    use crate::schema::Column;

    /// The types of the columns `a`, `b` … for these records, beside a table whose columns are smallint.
    fn types(policy: &Policy, input: &str, there: &[&str]) -> Vec<Type> {
        let seen = Sketch::of(&Source::bytes(input.to_owned())).unwrap();
        let existing = |name: &&str| ExistingColumn {
            name: (*name).into(),
            ty: PgType::Int2,
            not_null: false,
            has_default: false,
            generated: false,
            comment: None,
            used_by_view: false,
            collation: None,
            checked: false,
        };
        let columns: Vec<_> = there.iter().map(existing).collect();
        let table = ExistingTable { slots: columns.len(), columns, has_rows: true };
        let mut schema = policy.resolve(&seen).unwrap();
        leave_room(&mut schema, &There::new(Some(&table)), &seen, policy);
        schema.columns.iter().map(|column| column.ty).collect()
    }

    #[test]
    fn a_new_column_of_whole_numbers_is_an_integer_and_no_wider_than_it_has_to_be() {
        let input = "{\"a\":1,\"b\":2147483647,\"c\":2147483648,\"d\":1.5}\n";
        let expected = [Type::Int32, Type::Int32, Type::Int64, Type::Float64];
        assert_eq!(types(&Policy::default(), input, &[]), expected);
    }

    #[test]
    fn a_column_that_is_there_stays_as_it_is() {
        let input = "{\"a\":7,\"b\":40000}\n";
        assert_eq!(types(&Policy::default(), input, &["a", "b"]), [Type::Int16, Type::Int32]);
    }

    #[test]
    fn a_hint_is_taken_at_its_word() {
        let policy = Policy::default().hint("a", Type::Int16);
        assert_eq!(types(&policy, "{\"a\":1,\"b\":1}\n", &[]), [Type::Int16, Type::Int32]);
        let by_hand = Column::new(Path::new(["a"]), "a", Type::Int16);
        let mut schema = Schema { columns: vec![by_hand], ..Schema::default() };
        leave_room(&mut schema, &There::new(None), &Sketch::default(), &Policy::default());
        assert_eq!(schema.columns[0].ty, Type::Int16, "nothing was seen of it");
    }
}
