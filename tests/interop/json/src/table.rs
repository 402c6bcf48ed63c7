//! The types that are spoken, by name.

use crate::describe::describe;
use crate::invent::{Inventor, Strings};
use crate::types::*;
use serde::{de::DeserializeOwned, Serialize};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, LinkedList, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroI64, NonZeroU8, Wrapping};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// A value as text and as JSON.
pub struct Made {
    pub text: String,
    pub json: String,
}

pub struct Row {
    pub name: &'static str,
    pub make: fn(&mut Inventor) -> Made,
    /// The text of what JSON stands for, or why it stands for nothing.
    pub take: fn(&str) -> Result<String, String>,
}

impl Row {
    fn new<T: Serialize + DeserializeOwned>(name: &'static str) -> Self {
        Self { name, make: |inventor| make::<T>(inventor, Strings::Any), take: take::<T> }
    }

    /// The same, where each string is a path.
    fn paths<T: Serialize + DeserializeOwned>(name: &'static str) -> Self {
        Self { make: |inventor| make::<T>(inventor, Strings::Paths), ..Self::new::<T>(name) }
    }
}

/// An error in one line: it may repeat what it was given.
fn told(error: impl std::fmt::Display) -> String {
    error.to_string().escape_debug().to_string()
}

/// The next value that comes back: what holds a NaN, or an infinity, is written and cannot be read.
fn make<T: Serialize + DeserializeOwned>(inventor: &mut Inventor, strings: Strings) -> Made {
    loop {
        let value: T = inventor.value(strings);
        let text = describe(&value).expect("every invented value has a text");
        let json = serde_json::to_string(&value).expect("every invented value has a form");
        if take::<T>(&json).as_ref() == Ok(&text) {
            return Made { text, json };
        }
    }
}

fn take<T: Serialize + DeserializeOwned>(json: &str) -> Result<String, String> {
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader).map_err(told)?;
    reader.end().map_err(told)?;
    describe(&value).map_err(told)
}

macro_rules! rows {
    (any [$($any:ty),* $(,)?] paths [$($paths:ty),*]) => {
        vec![
            $(Row::new::<$any>(stringify!($any)),)*
            $(Row::paths::<$paths>(stringify!($paths)),)*
        ]
    };
}

/// All types; a name is the type as it is written here.
pub fn rows() -> Vec<Row> {
    rows! {
        any [
            bool, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, char, (),
            String, NonZeroU8, NonZeroI64, Wrapping<u32>, Reverse<i16>,
            Box<str>, Arc<str>, Cow<'static, str>, Box<u64>, Rc<String>,
            Option<u8>, Option<bool>, Option<char>, Option<String>, Option<f32>, Option<Vec<u16>>,
            Option<Point>, Option<Maybe>, Option<Color>, Option<Figure>, Option<(u8, u8)>,
            Option<Duration>, Option<Pair<u8, String>>, Option<Uuid>,
            Vec<u8>, Vec<u16>, Vec<u32>, Vec<u64>, Vec<u128>,
            Vec<i8>, Vec<i16>, Vec<i32>, Vec<i64>, Vec<i128>,
            Vec<f32>, Vec<f64>, Vec<bool>, Vec<char>, Vec<()>, Vec<String>,
            Vec<Vec<u16>>, Vec<Vec<f64>>, Vec<Vec<Vec<u8>>>, Vec<[u8; 4]>,
            Vec<Option<u32>>, Vec<(u16, Option<String>)>, Vec<Pair<Point, Option<Color>>>,
            Vec<Point>, Vec<Marker>, Vec<Color>, Vec<Figure>, Vec<Node>, Vec<Expr>,
            Vec<SystemTime>, Vec<IpAddr>, Vec<Uuid>, VecDeque<u16>, LinkedList<String>, Box<[u32]>,
            [u8; 0], [u8; 1], [u8; 4], [u8; 32], [i8; 3], [u16; 3], [i64; 2], [f32; 4], [f64; 16],
            [bool; 5], [char; 3], [(); 2], [String; 2], [Vec<u8>; 2], [Option<u8>; 3], [Point; 2],
            [[u8; 2]; 3],
            (u8,), (u8, String), (bool, char, f64), (i16, i32, i64, i128),
            ((u8, u16), (u32,), ()), (u8, u8, u8, u8, u8),
            (String, Option<u8>, Vec<u8>, [u8; 2], char, f32),
            BTreeMap<String, u32>, BTreeMap<u16, Vec<String>>, BTreeMap<char, u8>,
            BTreeMap<Color, i64>, BTreeMap<String, BTreeMap<String, i8>>, BTreeMap<String, Json>,
            BTreeMap<bool, u8>, BTreeMap<i128, ()>, BTreeMap<Uuid, Point>, BTreeMap<IpAddr, bool>,
            BTreeMap<Ipv6Addr, Vec<i8>>,
            HashMap<String, f64>, HashMap<i64, Option<String>>, HashMap<u8, Vec<u8>>,
            BTreeSet<u8>, BTreeSet<u64>, BTreeSet<i32>, BTreeSet<i128>, BTreeSet<bool>,
            BTreeSet<char>, BTreeSet<String>, BTreeSet<()>, BTreeSet<(i8, String)>,
            BTreeSet<[u8; 4]>, BTreeSet<[i8; 2]>, BTreeSet<Vec<u8>>, BTreeSet<Vec<u16>>,
            BTreeSet<Option<u16>>, BTreeSet<BTreeSet<u8>>, BTreeSet<Color>,
            BTreeSet<Option<Color>>, BTreeSet<(Color, bool)>, BTreeSet<Vec<Color>>,
            BTreeSet<Version>, BTreeSet<Ipv4Addr>, BTreeSet<IpAddr>,
            BTreeSet<Duration>, BTreeSet<SystemTime>, BTreeSet<Uuid>,
            HashSet<u64>, HashSet<String>, HashSet<(i8, bool)>, HashSet<[u8; 4]>,
            Duration, SystemTime, Ipv4Addr, Ipv6Addr, IpAddr, Uuid,
            Range<u32>, Range<f64>, RangeInclusive<i64>,
            Point, Segment, Marker, Meters, Rgb, Line, Pair<u8, String>,
            Pair<Point, Option<Color>>, Page<u16>, Page<Point>, Renamed, Skipping, Version,
            Everything, Holder, Limits, Grid, Inner, Middle, Outer, Maybe, Reading,
            Node, Tree, Box<Tree>, Folder, Entry,
            Color, Many, Figure, Only, Name, Event, Hello, Bye, Message, Operator, Expr, Json,
        ]
        paths [
            PathBuf, Vec<PathBuf>, BTreeSet<PathBuf>, BTreeMap<String, PathBuf>,
            BTreeMap<PathBuf, u8>, Account
        ]
    }
}
