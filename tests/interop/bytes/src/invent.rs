//! Values out of random numbers, by way of `Deserialize`: serde asks for a value's parts one by one.
//!
//! Extremes and empties come often. What ends a recursive enum stands first in it, what goes on last:
//! beyond a depth, or a number of parts, enums are their first variant, options None and sequences
//! empty; a value that is to be deep has one of the last two.

use crate::random::Random;
use serde::de::value::Error;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use std::path::{Component, Path, PathBuf};

const NANOSECONDS_PER_SECOND: u32 = 1_000_000_000;
const UUID_BYTES: usize = 16;
/// Of all values, and of those that go on; a level of a recursive type is one or two of them.
const DEEPEST: usize = 6;
const DEEP: [usize; 3] = [10, 30, 80];
const PARTS: usize = 400;

pub struct Inventor {
    random: Random,
    depth: usize,
    deepest: usize,
    parts: usize,
    /// Whether to go on wherever a type allows an end.
    is_deep: bool,
    strings: Strings,
}

/// What the strings of a type are.
#[derive(Clone, Copy)]
pub enum Strings {
    Any,
    /// Paths as short as they can be: of others Python's `Path` is another text.
    Paths,
}

impl Inventor {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            depth: 0,
            deepest: 0,
            parts: 0,
            is_deep: false,
            strings: Strings::Any,
        }
    }

    /// The next value. Some parts that fit their width are no value of their type, such as a
    /// NonZero of 0: then it tries once more.
    pub fn value<T: de::DeserializeOwned>(&mut self, strings: Strings) -> T {
        self.strings = strings;
        loop {
            self.is_deep = self.random.one_in(6);
            self.deepest = if self.is_deep { self.random.choose(&DEEP) } else { DEEPEST };
            self.parts = PARTS;
            self.depth = 0;
            if let Ok(value) = T::deserialize(&mut *self) {
                return value;
            }
        }
    }

    fn must_end(&self) -> bool {
        self.depth > self.deepest || self.parts == 0
    }

    fn inside<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        self.parts = self.parts.saturating_sub(1);
        let result = work(self);
        self.depth -= 1;
        result
    }

    fn count(&mut self) -> usize {
        if self.must_end() {
            return 0;
        }
        let is_outermost = self.depth == 0;
        match self.random.below(24) {
            0 if is_outermost => self.random.choose(&[250, 251, 255, 256, 257, 300]),
            _ if self.is_deep => 1 + self.random.below(2),
            1..=6 => 0,
            7..=12 => 1,
            _ => 2 + self.random.below(4),
        }
    }

    fn string(&mut self) -> String {
        let text = match self.random.below(400) {
            0 if self.depth == 0 => self.ascii(&[65_535, 65_536]),
            1..=30 if self.depth < 3 => self.ascii(&[249, 250, 251, 252, 300]),
            31..=240 => (0..self.count()).map(|_| self.random.char()).collect(),
            _ => self.ascii(&[0, 1, 2, 3, 5, 8]),
        };
        match self.strings {
            Strings::Any => text,
            Strings::Paths => shortest(&format!("{text}{}", self.random.choose(&PATHS))),
        }
    }

    fn ascii(&mut self, counts: &[usize]) -> String {
        let count = self.random.choose(counts);
        (0..count).map(|_| char::from(b' ' + self.random.below(95) as u8)).collect()
    }
}

const PATHS: [&str; 8] = ["", "/", "/a/b", "a/b", "a-b", "a", "/..", "../a.b"];

/// The same path without what says nothing: `./`, `//`, a slash at the end.
fn shortest(path: &str) -> String {
    let parts = Path::new(path).components().filter(|part| *part != Component::CurDir);
    match parts.collect::<PathBuf>().to_str().expect("it was made of text") {
        "" => ".".into(),
        text => text.into(),
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.random.number($type::BITS) as $type)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Inventor {
    type Error = Error;

    numbers! {
        deserialize_u8 visit_u8 u8
        deserialize_u16 visit_u16 u16
        deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64
        deserialize_u128 visit_u128 u128
        deserialize_i8 visit_i8 i8
        deserialize_i16 visit_i16 i16
        deserialize_i32 visit_i32 i32
        deserialize_i64 visit_i64 i64
        deserialize_i128 visit_i128 i128
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.random.one_in(2))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f32(self.random.f32())
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.random.f64())
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_char(self.random.char())
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.string())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.string())
    }

    /// Of the types here a Uuid alone asks for bytes.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_byte_buf((0..UUID_BYTES).map(|_| self.random.number(8) as u8).collect())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.must_end() || !(self.is_deep || self.random.one_in(2)) {
            return visitor.visit_none();
        }
        self.inside(|inventor| visitor.visit_some(inventor))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.count();
        self.inside(|inventor| visitor.visit_seq(Parts { inventor, left, names: &[] }))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.count();
        self.inside(|inventor| visitor.visit_map(Parts { inventor, left, names: &[] }))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.inside(|inventor| visitor.visit_seq(Parts { inventor, left, names: &[] }))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(left, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let left = names.len();
        self.inside(|inventor| visitor.visit_seq(Parts { inventor, left, names }))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let index = match variants.len() {
            _ if self.must_end() => 0,
            count if self.is_deep => count - 1 - self.random.below(count.min(2)),
            count => self.random.below(count),
        };
        self.inside(|inventor| visitor.visit_enum(Variant { inventor, index: index as u32 }))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        unreachable!("no type here leaves its form to the data")
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        unreachable!("fields and variants come in order")
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        unreachable!("nothing is left out")
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

struct Parts<'a> {
    inventor: &'a mut Inventor,
    left: usize,
    /// A struct's fields: serde's own name for a part of a second is known by it.
    names: &'static [&'static str],
}

impl<'de> de::SeqAccess<'de> for Parts<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        let name = self.names.get(self.names.len().wrapping_sub(self.left));
        self.left -= 1;
        if let Some(&("nanos" | "nanos_since_epoch")) = name {
            let random = &mut self.inventor.random;
            let any = random.next() as u32 % NANOSECONDS_PER_SECOND;
            let nanoseconds = random.choose(&[0, 1, 999_999_999, any, any / 1000 * 1000]);
            return seed.deserialize(nanoseconds.into_deserializer()).map(Some);
        }
        seed.deserialize(&mut *self.inventor).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::MapAccess<'de> for Parts<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.inventor)
    }
}

struct Variant<'a> {
    inventor: &'a mut Inventor,
    index: u32,
}

impl<'de> de::EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        Ok((seed.deserialize(self.index.into_deserializer())?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.inventor)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.inventor.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.inventor.deserialize_struct("", names, visitor)
    }
}
