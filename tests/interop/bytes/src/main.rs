//! What both versions of Rust's bincode write and read, as lines of hex for `test_bytes.py`.

mod describe;
mod invent;
mod random;
mod refusals;
mod table;
mod types;

use describe::hex;
use invent::Inventor;
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};
use std::panic;
use table::{rows, Config, Row, CONFIGS};

const USAGE: &str = "usage:
    bytes types               declarations of our own types, and the names of all
    bytes values SEED COUNT   a header, then that many values: type, text, hex in each configuration
    bytes decode              reads lines of type, configuration, hex; writes one for each:
                              ok, the count of bytes, text; or error, reason
    bytes refusals            what Rust does not write, or cannot read again
Columns are separated by tabs.";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    match words[..] {
        ["types"] => print_types(&mut out)?,
        ["values", seed, count] => print_values(&mut out, seed.parse()?, count.parse()?)?,
        ["refusals"] => refusals::print(&mut out)?,
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
    write!(out, "type\ttext")?;
    for (name, _) in CONFIGS {
        write!(out, "\t{name}")?;
    }
    writeln!(out)?;
    let mut inventor = Inventor::new(seed);
    let rows = rows();
    for row in rows.iter().cycle().take(count) {
        let made = (row.make)(&mut inventor);
        write!(out, "{}\t{}", row.name, made.text)?;
        for bytes in made.bytes {
            write!(out, "\t{}", bytes.map_or("undefined".into(), hex))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Answers each line at once: whoever asks may wait for it.
fn decode(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // A length that is absurd may panic where it is allocated; then that is the answer.
    panic::set_hook(Box::new(|_| {}));
    let rows: HashMap<&str, Row> = rows().into_iter().map(|row| (row.name, row)).collect();
    let configs = HashMap::from(CONFIGS);
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split('\t').collect();
        let [name, config, digits] = words[..] else { return Err(USAGE.into()) };
        let row = rows.get(name).ok_or_else(|| format!("no type {name}"))?;
        let config = *configs.get(config).ok_or_else(|| format!("no configuration {config}"))?;
        match take(row, config, &from_hex(digits)?) {
            Ok((count, text)) => writeln!(out, "ok\t{count}\t{text}")?,
            Err(reason) => writeln!(out, "error\t{reason}")?,
        }
        out.flush()?;
    }
    Ok(())
}

fn take(row: &Row, config: Config, bytes: &[u8]) -> table::Taken {
    panic::catch_unwind(|| (row.take)(config, bytes)).unwrap_or_else(|_| Err("panic".into()))
}

fn from_hex(digits: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}
