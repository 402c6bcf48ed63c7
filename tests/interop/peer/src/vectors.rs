//! Golden vectors: what `bincode::serialize` of bincode 1.3.3 writes, one `NAME HEX` per line.
//!
//! An empty encoding is written as `-`. Names are used by `test_vectors.py`: add, never rename.

use crate::demo::{ClientCommand, ClientResponse};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

#[derive(Serialize)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Serialize)]
struct Segment {
    name: String,
    start: Point,
    end: Point,
    weight: Option<f64>,
}

#[derive(Serialize)]
enum Shape {
    Empty,
    Circle(f64),
    Label(u8, String),
    Rectangle { corner: Point, filled: bool },
}

#[derive(Serialize)]
enum Color {
    Red,
    Green,
    Blue,
}

pub fn print() {
    commands();
    numbers();
    text();
    options();
    sequences();
    maps();
    composites();
}

fn line(name: &str, value: impl Serialize) {
    let bytes = bincode::serialize(&value).expect("every vector's type has a bincode form");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{name} {}", if hex.is_empty() { "-" } else { &hex });
}

fn commands() {
    line("command_print", ClientCommand::Print { payload: "hello".into() });
    line("command_print_empty", ClientCommand::Print { payload: String::new() });
    line("command_print_900", ClientCommand::Print { payload: "x".repeat(900) });
    line("command_add", ClientCommand::Add { a: 1, b: 2 });
    line("command_add_extremes", ClientCommand::Add { a: u64::MAX, b: 0 });
    line("command_push", ClientCommand::Push { x: 7 });
    line("response_print_ack", ClientResponse::PrintAck);
    line("response_sum", ClientResponse::Sum { c: 3 });
    line("response_pushed", ClientResponse::Pushed { x: 7 });
}

fn numbers() {
    line("bool_false", false);
    line("bool_true", true);
    line("u8_min", u8::MIN);
    line("u8_max", u8::MAX);
    line("u16_min", u16::MIN);
    line("u16_max", u16::MAX);
    line("u32_min", u32::MIN);
    line("u32_max", u32::MAX);
    line("u64_min", u64::MIN);
    line("u64_max", u64::MAX);
    line("u64_bytes_in_order", 0x0102_0304_0506_0708_u64);
    line("i8_min", i8::MIN);
    line("i8_max", i8::MAX);
    line("i16_min", i16::MIN);
    line("i16_max", i16::MAX);
    line("i32_min", i32::MIN);
    line("i32_max", i32::MAX);
    line("i64_min", i64::MIN);
    line("i64_max", i64::MAX);
    line("i64_minus_one", -1_i64);
    line("f32_exact", 1.5_f32);
    line("f32_rounded", 0.1_f32);
    line("f32_negative_zero", -0.0_f32);
    line("f32_infinity", f32::INFINITY);
    line("f64_rounded", 0.1_f64);
    line("f64_negative_zero", -0.0_f64);
    line("f64_infinity", f64::INFINITY);
    line("f64_negative_infinity", f64::NEG_INFINITY);
    line("f64_smallest_subnormal", f64::from_bits(1));
    line("f64_max", f64::MAX);
}

fn text() {
    line("string_empty", "");
    line("string_ascii", "lazy");
    line("string_two_byte", "naïve");
    line("string_astral", "🦀 and 🐍");
    line("string_nul_inside", "a\0b");
    line("bytes_empty", Vec::<u8>::new());
    line("bytes_all_ends", vec![0_u8, 1, 127, 128, 255]);
}

fn options() {
    line("option_u32_none", None::<u32>);
    line("option_u32_some", Some(5_u32));
    line("option_string_some", Some("five"));
    line("option_option_u8_none", None::<Option<u8>>);
    line("option_option_u8_some_none", Some(None::<u8>));
    line("option_option_u8_some_some", Some(Some(7_u8)));
}

fn sequences() {
    line("vec_u32_empty", Vec::<u32>::new());
    line("vec_u32", vec![1_u32, 2, u32::MAX]);
    line("vec_string", vec!["", "one", "🦀"]);
    line("vec_vec_u16", vec![vec![1_u16], vec![], vec![2, 3]]);
    line("vec_unit_3", vec![(), (), ()]);
    line("vec_tuple_option", vec![(1_u16, None), (2, Some("two".to_owned()))]);
    line("unit", ());
    line("tuple", (9_u8, "nine", true));
}

fn maps() {
    let sorted = BTreeMap::from([("alpha", 1_u32), ("beta", 2), ("gamma", 3)]);
    line("btreemap_empty", BTreeMap::<String, u32>::new());
    line("btreemap", sorted);
    line("hashmap_one", HashMap::from([("only", 1_u32)]));
}

fn composites() {
    let segment = |weight| Segment {
        name: "edge".into(),
        start: Point { x: -1, y: 2 },
        end: Point { x: i32::MAX, y: i32::MIN },
        weight,
    };
    line("struct_nested", segment(Some(0.5)));
    line("struct_nested_none", segment(None));
    line("vec_struct", vec![Point { x: 1, y: 2 }, Point { x: 3, y: 4 }]);
    line("enum_unit", Shape::Empty);
    line("enum_newtype", Shape::Circle(2.5));
    line("enum_tuple", Shape::Label(3, "three".into()));
    line("enum_struct", Shape::Rectangle { corner: Point { x: 4, y: 5 }, filled: true });
    line("vec_enum", vec![Shape::Empty, Shape::Circle(-0.0), Shape::Label(0, String::new())]);
    line("vec_unit_enum", vec![Color::Blue, Color::Red, Color::Green]);
}
