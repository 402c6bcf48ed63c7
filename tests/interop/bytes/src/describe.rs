//! A value as text that says all of it and nothing of bincode: `Point{x=i32:1,y=i32:-2}`.
//!
//! `rust_text.py` writes the same text of Python's value. Floats are their bits; strings and raw
//! bytes are hex; entries of maps, and of sets that have no order, stand in the order of their text.

use serde::ser::{self, Serialize};
use std::fmt::{Display, Formatter, Result as Formatted};

/// The name of the newtype in `types.rs` whose sequence has no order.
const UNORDERED: &str = "HashSet";

pub fn describe<T: Serialize>(value: &T) -> Result<String, Fault> {
    value.serialize(Describer { is_unordered: false })
}

pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a value has no text: `Serialize` itself refused, as for a time before 1970.
#[derive(Debug)]
pub struct Fault(String);

impl Display for Fault {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Formatted {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Described = Result<String, Fault>;

#[derive(Clone, Copy)]
struct Describer {
    is_unordered: bool,
}

impl Describer {
    fn parts(self, open: String, close: &'static str) -> Result<Parts, Fault> {
        Ok(Parts { open, close, parts: Vec::new(), is_sorted: self.is_unordered })
    }
}

macro_rules! numbers {
    ($($method:ident $type:ident)*) => {$(
        fn $method(self, value: $type) -> Described {
            Ok(format!("{}:{value}", stringify!($type)))
        }
    )*};
}

impl ser::Serializer for Describer {
    type Ok = String;
    type Error = Fault;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    numbers! {
        serialize_bool bool
        serialize_u8 u8
        serialize_u16 u16
        serialize_u32 u32
        serialize_u64 u64
        serialize_u128 u128
        serialize_i8 i8
        serialize_i16 i16
        serialize_i32 i32
        serialize_i64 i64
        serialize_i128 i128
    }

    fn serialize_f32(self, value: f32) -> Described {
        Ok(format!("f32:{:08x}", value.to_bits()))
    }

    fn serialize_f64(self, value: f64) -> Described {
        Ok(format!("f64:{:016x}", value.to_bits()))
    }

    fn serialize_char(self, value: char) -> Described {
        Ok(format!("char:{:x}", u32::from(value)))
    }

    fn serialize_str(self, value: &str) -> Described {
        Ok(format!("str:{}", hex(value)))
    }

    fn serialize_bytes(self, value: &[u8]) -> Described {
        Ok(format!("bytes:{}", hex(value)))
    }

    fn serialize_none(self) -> Described {
        Ok("None".into())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Described {
        Ok(format!("Some({})", value.serialize(self)?))
    }

    fn serialize_unit(self) -> Described {
        Ok("()".into())
    }

    fn serialize_unit_struct(self, name: &'static str) -> Described {
        Ok(name.into())
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Described {
        Ok(format!("{name}::{variant}"))
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Described {
        let inner = value.serialize(Describer { is_unordered: name == UNORDERED })?;
        Ok(format!("{name}({inner})"))
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Described {
        Ok(format!("{name}::{variant}({})", value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Fault> {
        self.parts("[".into(), "]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, Fault> {
        self.parts("(".into(), ")")
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Parts, Fault> {
        self.parts(format!("{name}("), ")")
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, Fault> {
        self.parts(format!("{name}::{variant}("), ")")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, Fault> {
        Describer { is_unordered: true }.parts("{".into(), "}")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts, Fault> {
        self.parts(format!("{name}{{"), "}")
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, Fault> {
        self.parts(format!("{name}::{variant}{{"), "}")
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

struct Parts {
    open: String,
    close: &'static str,
    parts: Vec<String>,
    is_sorted: bool,
}

impl Parts {
    fn push<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Fault> {
        self.parts.push(describe(&value)?);
        Ok(())
    }

    fn push_field<T: ?Sized + Serialize>(&mut self, name: &str, value: &T) -> Result<(), Fault> {
        self.parts.push(format!("{name}={}", describe(&value)?));
        Ok(())
    }

    fn finish(mut self) -> Described {
        if self.is_sorted {
            self.parts.sort();
        }
        Ok(format!("{}{}{}", self.open, self.parts.join(","), self.close))
    }
}

macro_rules! parts {
    ($($trait:ident { $push:ident })*) => {$(
        impl ser::$trait for Parts {
            type Ok = String;
            type Error = Fault;

            fn $push<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Fault> {
                self.push(value)
            }

            fn end(self) -> Described {
                self.finish()
            }
        }
    )*};
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Parts {
            type Ok = String;
            type Error = Fault;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Fault> {
                self.push_field(name, value)
            }

            fn end(self) -> Described {
                self.finish()
            }
        }
    )*};
}

parts! {
    SerializeSeq { serialize_element }
    SerializeTuple { serialize_element }
    SerializeTupleStruct { serialize_field }
    SerializeTupleVariant { serialize_field }
}
fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Parts {
    type Ok = String;
    type Error = Fault;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Fault> {
        self.push(key)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Fault> {
        let entry = self.parts.last_mut().expect("a key came before");
        *entry = format!("{entry}={}", describe(&value)?);
        Ok(())
    }

    fn end(self) -> Described {
        self.finish()
    }
}
