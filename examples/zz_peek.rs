//! scratch
use longshore::*;
fn main() {
    for file in std::env::args().skip(1) {
        println!("=== {file}");
        match Inference::of(&Source::path(&file), &ReadOptions::default()) {
            Err(e) => println!("ERR {e} hint {:?}", e.hint()),
            Ok(i) => {
                let s = Policy::default().resolve(&i.sketch).unwrap();
                println!(
                    "{:?} records {} bad {} warnings {:?}",
                    i.formats[0].as_str(),
                    i.sketch.records(),
                    i.sketch.bad().count(),
                    i.warnings
                );
                for c in Explanation::of(&s, &i.sketch).columns.iter().take(60) {
                    println!("  {:40} {:30} {:14} null={} {}", c.path, c.name, c.ty, c.nullable, c.why);
                }
                for (p, r) in i.sketch.bad().first().iter().take(3) {
                    println!("  bad {p:?} {r}");
                }
                for u in &s.undecided {
                    println!("  ?? {} {} {} --hint {}", u.path, u.question, u.chosen, u.hint);
                }
            }
        }
    }
}
