//! What Rust itself does not write, or writes and cannot read again.

use crate::describe::hex;
use bincode::config::standard;
use bincode::serde::{decode_from_slice, encode_to_vec};
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

#[derive(Serialize, Deserialize, Clone)]
struct Part {
    value: u8,
}

#[derive(Serialize, Deserialize)]
struct Flattened {
    #[serde(flatten)]
    part: Part,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    Part(Part),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Part(Part),
}

#[derive(Serialize, Deserialize)]
struct Shortened {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u8>,
}

/// One line for each value: what it is, then for each of the bincodes what came of it.
pub fn print(out: &mut impl Write) -> io::Result<()> {
    let part = Part { value: 7 };
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let path = PathBuf::from(OsString::from_vec(vec![0xff]));
    line(out, "time before 1970", &before)?;
    line(out, "path not UTF-8", &path)?;
    line(out, "serde(flatten)", &Flattened { part: part.clone() })?;
    line(out, "serde(tag)", &Tagged::Part(part.clone()))?;
    line(out, "serde(untagged)", &Untagged::Part(part))?;
    line(out, "serde(skip_serializing_if)", &Shortened { value: None })
}

fn line<T: Serialize + DeserializeOwned>(
    out: &mut impl Write,
    what: &str,
    value: &T,
) -> io::Result<()> {
    let first =
        outcome(bincode1::serialize(value), |bytes| bincode1::deserialize::<T>(bytes).is_ok());
    let second = outcome(encode_to_vec(value, standard()), |bytes| {
        decode_from_slice::<T, _>(bytes, standard()).is_ok()
    });
    writeln!(out, "{what}\t{first}\t{second}")
}

fn outcome<E>(written: Result<Vec<u8>, E>, is_read: impl Fn(&[u8]) -> bool) -> String {
    match written {
        Err(_) => "not written".into(),
        Ok(bytes) if is_read(&bytes) => format!("read {}", hex(bytes)),
        Ok(bytes) => format!("not read {}", hex(bytes)),
    }
}
