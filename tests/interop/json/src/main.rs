//! What serde_json writes and reads, as lines of text for `test_json.py`.

// What a value is, and values out of random numbers: neither knows anything of a format.
#[path = "../../bytes/src/describe.rs"]
mod describe;
#[path = "../../bytes/src/invent.rs"]
mod invent;
#[path = "../../bytes/src/random.rs"]
mod random;
mod table;
mod types;

use invent::Inventor;
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};
use std::panic;
use table::{rows, Row};

const USAGE: &str = "usage:
    json types               declarations of our own types, and the names of all
    json values SEED COUNT   that many values: type, text, JSON
    json decode              reads lines of type, JSON; writes one for each: ok, text; or error, reason
Columns are separated by tabs.";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    match words[..] {
        ["types"] => print_types(&mut out)?,
        ["values", seed, count] => print_values(&mut out, seed.parse()?, count.parse()?)?,
        ["decode"] => decode(&mut out)?,
        _ => return Err(USAGE.into()),
    }
    Ok(out.flush()?)
}

fn print_types(out: &mut impl Write) -> io::Result<()> {
    for declaration in types::DECLARATIONS {
        writeln!(out, "declaration\t{}", declaration.replace('\n', " "))?;
    }
    for row in rows() {
        writeln!(out, "type\t{}", row.name)?;
    }
    Ok(())
}

/// Each type in turn, so that a count which is enough for all is.
fn print_values(out: &mut impl Write, seed: u64, count: usize) -> io::Result<()> {
    let mut inventor = Inventor::new(seed);
    let rows = rows();
    for row in rows.iter().cycle().take(count) {
        let made = (row.make)(&mut inventor);
        writeln!(out, "{}\t{}\t{}", row.name, made.text, made.json)?;
    }
    Ok(())
}

/// Answers each line at once: whoever asks may wait for it.
fn decode(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // A time that is absurd may panic where it is added up; then that is the answer.
    panic::set_hook(Box::new(|_| {}));
    let rows: HashMap<&str, Row> = rows().into_iter().map(|row| (row.name, row)).collect();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (name, json) = line.split_once('\t').ok_or(USAGE)?;
        let row = rows.get(name).ok_or_else(|| format!("no type {name}"))?;
        match panic::catch_unwind(|| (row.take)(json)).unwrap_or_else(|_| Err("panic".into())) {
            Ok(text) => writeln!(out, "ok\t{text}")?,
            Err(reason) => writeln!(out, "error\t{reason}")?,
        }
        out.flush()?;
    }
    Ok(())
}
