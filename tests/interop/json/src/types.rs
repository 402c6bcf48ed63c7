//! The types of our own, declared as lazyipc says that Rust would declare Python's: variants have named
//! fields or none, and no struct is a tuple. In the order of rust_types.py; what stands there and is
//! something else in Rust, such as Result, has another form in JSON and is missing here.

use serde::{Deserialize, Serialize};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasherDefault, Hash};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU128, NonZeroU8};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// What makes one run like the other; the bytes are those of any hash map.
type Hasher = BuildHasherDefault<DefaultHasher>;
pub type HashMap<K, V> = std::collections::HashMap<K, V, Hasher>;

/// A hash set, in a newtype, which adds nothing but tells `describe.rs` that it has no order.
#[derive(Serialize, Deserialize)]
pub struct HashSet<T: Eq + Hash>(std::collections::HashSet<T, Hasher>);

macro_rules! declare {
    (#[$traits:meta] $($item:item)*) => {
        $(#[$traits] $item)*

        pub const DECLARATIONS: &[&str] = &[$(stringify!($item)),*];
    };
}

// A recursive enum begins with a variant that ends it (`invent.rs`).
declare! {
    #[derive(Serialize, Deserialize)]

    pub struct Point {
        x: i32,
        y: i32,
    }

    pub struct Segment {
        name: String,
        start: Point,
        end: Point,
        weight: Option<f64>,
    }

    pub struct Marker {}

    pub struct Meters(f64);

    pub struct Rgb {
        red: u8,
        green: u8,
        blue: u8,
    }

    pub struct Line {
        start: Point,
        end: Point,
    }

    pub struct Pair<A, B> {
        first: A,
        second: B,
    }

    pub struct Page<T> {
        items: Vec<T>,
        next: Option<u64>,
    }

    pub struct Renamed {
        #[serde(rename = "type")]
        kind: u8,
        #[serde(default)]
        names: Vec<String>,
    }

    pub struct Skipping {
        value: u8,
        #[serde(skip)]
        _cache: u32,
    }

    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    pub struct Version {
        major: u16,
        minor: u16,
        label: Option<String>,
    }

    pub struct Everything {
        a_bool: bool,
        a_u8: u8,
        a_u16: u16,
        a_u32: u32,
        a_u64: u64,
        a_u128: u128,
        a_usize: usize,
        an_i8: i8,
        an_i16: i16,
        an_i32: i32,
        an_i64: i64,
        an_i128: i128,
        an_isize: isize,
        an_f32: f32,
        an_f64: f64,
        a_char: char,
        a_string: String,
        a_unit: (),
        an_option: Option<i16>,
        a_list: Vec<u32>,
        a_blob: Vec<u8>,
        a_key: [u8; 4],
        a_tuple: (u8, String, bool),
        a_map: BTreeMap<String, u16>,
        a_set: BTreeSet<i8>,
        a_color: Color,
        a_figure: Figure,
        a_point: Point,
        a_meter: Meters,
        a_marker: Marker,
        the_end: u8,
    }

    pub struct Account {
        id: Uuid,
        home: PathBuf,
        created: SystemTime,
        idle: Option<Duration>,
        address: IpAddr,
        gateway: Ipv4Addr,
        peers: Vec<Ipv6Addr>,
        flags: [bool; 3],
    }

    pub struct Holder {
        boxed: Box<Point>,
        counted: Rc<Point>,
        shared: Arc<str>,
        text: Box<str>,
    }

    pub struct Limits {
        least: NonZeroU8,
        most: Option<NonZeroU128>,
    }

    pub struct Grid {
        cells: [[u8; 3]; 2],
        palette: [Rgb; 2],
        digest: [u8; 16],
    }

    pub struct Inner {
        values: Vec<Option<(u8, String)>>,
        by_name: BTreeMap<String, Vec<Point>>,
    }

    pub struct Middle {
        inner: Inner,
        others: Vec<Inner>,
    }

    pub struct Outer {
        middle: Middle,
        last: Option<Middle>,
    }

    pub struct Maybe {
        value: Option<u8>,
    }

    pub struct Reading {
        after: Duration,
        samples: Vec<f32>,
        unit: char,
    }

    pub struct Node {
        value: u32,
        next: Option<Box<Node>>,
    }

    pub struct Tree {
        value: i16,
        children: Vec<Tree>,
    }

    pub struct Folder {
        owner: String,
        entries: BTreeMap<String, Entry>,
    }

    pub enum Entry {
        Missing,
        File { size: u64, data: Vec<u8> },
        Folder { folder: Folder },
    }

    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    pub enum Color {
        RED,
        GREEN,
        BLUE,
    }

    pub enum Many {
        V000, V001, V002, V003, V004, V005, V006, V007, V008, V009, V010, V011, V012, V013, V014,
        V015, V016, V017, V018, V019, V020, V021, V022, V023, V024, V025, V026, V027, V028, V029,
        V030, V031, V032, V033, V034, V035, V036, V037, V038, V039, V040, V041, V042, V043, V044,
        V045, V046, V047, V048, V049, V050, V051, V052, V053, V054, V055, V056, V057, V058, V059,
        V060, V061, V062, V063, V064, V065, V066, V067, V068, V069, V070, V071, V072, V073, V074,
        V075, V076, V077, V078, V079, V080, V081, V082, V083, V084, V085, V086, V087, V088, V089,
        V090, V091, V092, V093, V094, V095, V096, V097, V098, V099, V100, V101, V102, V103, V104,
        V105, V106, V107, V108, V109, V110, V111, V112, V113, V114, V115, V116, V117, V118, V119,
        V120, V121, V122, V123, V124, V125, V126, V127, V128, V129, V130, V131, V132, V133, V134,
        V135, V136, V137, V138, V139, V140, V141, V142, V143, V144, V145, V146, V147, V148, V149,
        V150, V151, V152, V153, V154, V155, V156, V157, V158, V159, V160, V161, V162, V163, V164,
        V165, V166, V167, V168, V169, V170, V171, V172, V173, V174, V175, V176, V177, V178, V179,
        V180, V181, V182, V183, V184, V185, V186, V187, V188, V189, V190, V191, V192, V193, V194,
        V195, V196, V197, V198, V199, V200, V201, V202, V203, V204, V205, V206, V207, V208, V209,
        V210, V211, V212, V213, V214, V215, V216, V217, V218, V219, V220, V221, V222, V223, V224,
        V225, V226, V227, V228, V229, V230, V231, V232, V233, V234, V235, V236, V237, V238, V239,
        V240, V241, V242, V243, V244, V245, V246, V247, V248, V249, V250, V251, V252, V253, V254,
        V255, V256, V257, V258, V259,
    }

    pub enum Figure {
        Empty,
        Circle { radius: f64 },
        Label { size: u8, text: String },
        Rectangle { corner: Point, filled: bool },
    }

    pub enum Only {
        Variant { value: u16 },
    }

    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    pub enum Name {
        Anonymous,
        Numbered { number: u32 },
        Full { first: String, last: String },
    }

    pub enum Event {
        Quit,
        Key { key: char, color: Color },
        Draw { figure: Figure },
        Batch { events: Vec<Event> },
        Moved { from: Point, to: Option<Point>, how: Figure },
    }

    pub struct Hello {
        version: u16,
        name: String,
    }

    pub struct Bye {
        reason: Option<String>,
    }

    pub enum Message {
        Hello(Hello),
        Bye(Bye),
    }

    pub enum Operator {
        ADD,
        SUBTRACT,
        MULTIPLY,
        DIVIDE,
    }

    pub enum Expr {
        Number { value: i64 },
        Variable { name: String },
        Negated { value: Box<Expr> },
        Binary { operator: Operator, left: Box<Expr>, right: Box<Expr> },
        Call { function: String, arguments: Vec<Expr> },
    }

    pub enum Json {
        Null,
        Bool { value: bool },
        Float { value: f64 },
        Text { value: String },
        List { items: Vec<Json> },
        Object { members: BTreeMap<String, Json> },
    }
}
