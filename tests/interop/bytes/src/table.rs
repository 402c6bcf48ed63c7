//! The types that are spoken, by name, and the configurations they are spoken in.

use crate::describe::describe;
use crate::invent::{Inventor, Strings};
use crate::types::*;
use bincode::config::{self, Config as Configuration};
use bincode::{Decode, Encode};
use bincode1::Options;
use serde::{de::DeserializeOwned, Serialize};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, LinkedList, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroI64, NonZeroU8, Wrapping};
use std::ops::{Bound, Range, RangeInclusive};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// Which bincode, and how it is configured. All but `derive` go through serde.
#[derive(Clone, Copy)]
pub enum Config {
    /// bincode 1: `serialize`, `deserialize`.
    Legacy,
    /// bincode 1: `DefaultOptions::new()`, which is varint.
    Varint1,
    /// bincode 2: `legacy()`.
    Legacy2,
    /// bincode 2: `legacy().with_big_endian()`.
    FixedBig,
    /// bincode 2: `standard()`.
    Standard,
    /// bincode 2: `standard().with_big_endian()`.
    BigEndian,
    /// bincode 2: `standard()`, by its own `Encode` and `Decode`, where a type has them.
    Derive,
}

pub const CONFIGS: [(&str, Config); 7] = [
    ("legacy", Config::Legacy),
    ("varint1", Config::Varint1),
    ("legacy2", Config::Legacy2),
    ("fixed_big", Config::FixedBig),
    ("standard", Config::Standard),
    ("big_endian", Config::BigEndian),
    ("derive", Config::Derive),
];

/// A value as text and as the bytes of each of `CONFIGS`; `derive` has none where it is undefined.
pub struct Made {
    pub text: String,
    pub bytes: Vec<Option<Vec<u8>>>,
}

/// What bytes were taken for: how many of them (bincode 1 does not say; then how many it would
/// write), and the value's text. Or why they were refused.
pub type Taken = Result<(usize, String), String>;

pub struct Row {
    pub name: &'static str,
    pub make: fn(&mut Inventor) -> Made,
    pub take: fn(Config, &[u8]) -> Taken,
}

impl Row {
    /// A type that has serde's traits only.
    fn plain<T: Serialize + DeserializeOwned>(name: &'static str) -> Self {
        Self {
            name,
            make: |inventor| make::<T>(&inventor.value(Strings::Any), |_| None),
            take: |config, bytes| match config {
                Config::Derive => Err("undefined".into()),
                _ => take::<T>(config, bytes),
            },
        }
    }

    /// A type that has bincode 2's traits, too.
    fn native<T: Serialize + DeserializeOwned + Encode + Decode<()>>(name: &'static str) -> Self {
        Self {
            name,
            make: |inventor| make::<T>(&inventor.value(Strings::Any), write_derived),
            take: |config, bytes| match config {
                Config::Derive => {
                    let taken = bincode::decode_from_slice::<T, _>(bytes, config::standard());
                    let (value, used) = taken.map_err(told)?;
                    Ok((used, describe(&value).map_err(told)?))
                }
                _ => take::<T>(config, bytes),
            },
        }
    }

    /// The same, where each string is a path.
    fn paths<T: Serialize + DeserializeOwned + Encode + Decode<()>>(name: &'static str) -> Self {
        let make =
            |inventor: &mut Inventor| make::<T>(&inventor.value(Strings::Paths), write_derived);
        Self { make, ..Self::native::<T>(name) }
    }
}

const WRITTEN: &str = "every invented value has a form";

fn told(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn make<T: Serialize>(value: &T, derived: impl Fn(&T) -> Option<Vec<u8>>) -> Made {
    let write = |config| match config {
        Config::Legacy => Some(bincode1::serialize(value).expect(WRITTEN)),
        Config::Varint1 => Some(bincode1::DefaultOptions::new().serialize(value).expect(WRITTEN)),
        Config::Legacy2 => Some(write2(value, config::legacy())),
        Config::FixedBig => Some(write2(value, config::legacy().with_big_endian())),
        Config::Standard => Some(write2(value, config::standard())),
        Config::BigEndian => Some(write2(value, config::standard().with_big_endian())),
        Config::Derive => derived(value),
    };
    let text = describe(value).expect(WRITTEN);
    Made { text, bytes: CONFIGS.iter().map(|(_, config)| write(*config)).collect() }
}

fn write_derived<T: Encode>(value: &T) -> Option<Vec<u8>> {
    Some(bincode::encode_to_vec(value, config::standard()).expect(WRITTEN))
}

fn write2<T: Serialize, C: Configuration>(value: &T, config: C) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config).expect(WRITTEN)
}

fn take<T: Serialize + DeserializeOwned>(config: Config, bytes: &[u8]) -> Taken {
    match config {
        Config::Legacy => take1::<T, _>(bincode1::deserialize(bytes), bincode1::serialize),
        Config::Varint1 => {
            let options = bincode1::DefaultOptions::new();
            take1::<T, _>(options.deserialize(bytes), |value| options.serialize(value))
        }
        Config::Legacy2 => take2::<T, _>(bytes, config::legacy()),
        Config::FixedBig => take2::<T, _>(bytes, config::legacy().with_big_endian()),
        Config::Standard => take2::<T, _>(bytes, config::standard()),
        Config::BigEndian => take2::<T, _>(bytes, config::standard().with_big_endian()),
        Config::Derive => unreachable!("undefined for serde"),
    }
}

fn take1<T: Serialize, F: Fn(&T) -> bincode1::Result<Vec<u8>>>(
    taken: bincode1::Result<T>,
    write: F,
) -> Taken {
    let value = taken.map_err(told)?;
    Ok((write(&value).map_err(told)?.len(), describe(&value).map_err(told)?))
}

fn take2<T: Serialize + DeserializeOwned, C: Configuration>(bytes: &[u8], config: C) -> Taken {
    let taken = bincode::serde::decode_from_slice::<T, _>(bytes, config);
    let (value, used) = taken.map_err(told)?;
    Ok((used, describe(&value).map_err(told)?))
}

macro_rules! rows {
    (native [$($native:ty),* $(,)?] paths [$($paths:ty),*] plain [$($plain:ty),*]) => {
        vec![
            $(Row::native::<$native>(stringify!($native)),)*
            $(Row::paths::<$paths>(stringify!($paths)),)*
            $(Row::plain::<$plain>(stringify!($plain)),)*
        ]
    };
}

/// All types; a name is the type as it is written here.
pub fn rows() -> Vec<Row> {
    rows! {
        native [
            bool, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, char, (),
            String, NonZeroU8, NonZeroI64, Wrapping<u32>, Reverse<i16>,
            Box<str>, Arc<str>, Cow<'static, str>, Box<u64>, Rc<String>,
            Option<u8>, Option<bool>, Option<char>, Option<String>, Option<f32>, Option<Vec<u16>>,
            Option<Point>, Option<Maybe>, Option<Color>, Option<Figure>, Option<(u8, u8)>,
            Option<Duration>, Option<Pair<u8, String>>,
            Vec<u8>, Vec<u16>, Vec<u32>, Vec<u64>, Vec<u128>,
            Vec<i8>, Vec<i16>, Vec<i32>, Vec<i64>, Vec<i128>,
            Vec<f32>, Vec<f64>, Vec<bool>, Vec<char>, Vec<()>, Vec<String>,
            Vec<Vec<u16>>, Vec<Vec<f64>>, Vec<Vec<Vec<u8>>>, Vec<[u8; 4]>,
            Vec<Option<u32>>, Vec<(u16, Option<String>)>, Vec<Pair<Point, Option<Color>>>,
            Vec<Point>, Vec<Marker>, Vec<Color>, Vec<Figure>, Vec<Node>, Vec<Expr>,
            Vec<SystemTime>, Vec<IpAddr>, VecDeque<u16>, Box<[u32]>,
            [u8; 0], [u8; 1], [u8; 4], [u8; 32], [i8; 3], [u16; 3], [i64; 2], [f32; 4], [f64; 16],
            [bool; 5], [char; 3], [(); 2], [String; 2], [Vec<u8>; 2], [Option<u8>; 3], [Point; 2],
            [[u8; 2]; 3],
            (u8,), (u8, String), (bool, char, f64), (i16, i32, i64, i128),
            ((u8, u16), (u32,), ()), (u8, u8, u8, u8, u8),
            (String, Option<u8>, Vec<u8>, [u8; 2], char, f32),
            BTreeMap<String, u32>, BTreeMap<u16, Vec<String>>, BTreeMap<(u8, bool), Point>,
            BTreeMap<char, u8>, BTreeMap<Color, i64>, BTreeMap<String, BTreeMap<String, i8>>,
            BTreeMap<[u8; 2], f64>, BTreeMap<Option<u8>, ()>, BTreeMap<Version, Name>,
            BTreeMap<String, Json>,
            HashMap<String, f64>, HashMap<i64, Option<String>>, HashMap<u8, Vec<u8>>,
            BTreeSet<u8>, BTreeSet<u64>, BTreeSet<i32>, BTreeSet<i128>, BTreeSet<bool>,
            BTreeSet<char>, BTreeSet<String>, BTreeSet<()>, BTreeSet<(i8, String)>,
            BTreeSet<[u8; 4]>, BTreeSet<[i8; 2]>, BTreeSet<Vec<u8>>, BTreeSet<Vec<u16>>,
            BTreeSet<Option<u16>>, BTreeSet<BTreeSet<u8>>, BTreeSet<Color>, BTreeSet<Rank>,
            BTreeSet<Option<Color>>, BTreeSet<(Color, bool)>, BTreeSet<Vec<Color>>,
            BTreeSet<Version>, BTreeSet<Ipv4Addr>, BTreeSet<IpAddr>,
            BTreeSet<Duration>, BTreeSet<SystemTime>,
            HashSet<u64>, HashSet<String>, HashSet<(i8, bool)>, HashSet<[u8; 4]>,
            Duration, SystemTime, Ipv4Addr, Ipv6Addr, IpAddr, SocketAddr,
            Result<u64, String>, Result<(), Color>, Range<u32>, Range<f64>, RangeInclusive<i64>,
            Bound<u16>,
            Point, Segment, Marker, Meters, Rgb, Line, Pair<u8, String>,
            Pair<Point, Option<Color>>, Page<u16>, Page<Point>, Renamed, Skipping, Version,
            Everything, Holder, Limits, Grid, Inner, Middle, Outer, Maybe, Reading,
            Node, Tree, Box<Tree>, Folder, Entry,
            Color, Rank, Many, Figure, Only, Name, Event, Hello, Bye, Message, Operator, Expr, Json,
        ]
        paths [PathBuf, Vec<PathBuf>, BTreeSet<PathBuf>, BTreeMap<String, PathBuf>, Account]
        plain [Uuid, Vec<Uuid>, BTreeSet<Uuid>, Option<Uuid>, LinkedList<String>]
    }
}
