//! Random numbers, and what is made of one: mostly what somebody might have got wrong.

/// SplitMix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number whose low bytes are good for an integer of `bits`: often one near where something
    /// changes, such as the marker of a varint, else one of any length.
    pub fn number(&mut self, bits: u32) -> u128 {
        let wide = u128::from(self.next()) << 64 | u128::from(self.next());
        match self.below(4) {
            0 => self.choose(&[0, 1, u128::MAX, 1 << (bits - 1), (1 << (bits - 1)) - 1]),
            1 => self.choose(&[125, 126, 250, 251, 252, 253, 254, 255, 256]),
            2 => {
                let edge = 1_u128 << self.choose(&[7, 8, 15, 16, 31, 32, 63, 64, 127]);
                let number = edge.wrapping_add(self.below(3) as u128).wrapping_sub(1);
                number.wrapping_mul(self.choose(&[1, u128::MAX]))
            }
            _ => wide >> self.below(128),
        }
    }

    pub fn float(&mut self) -> f64 {
        // A NaN of other bits would not stay the same through a conversion of its width.
        let special = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.5, -1e30];
        match self.below(3) {
            0 => self.choose(&special),
            1 => self.number(64) as i64 as f64,
            _ => self.next() as f64 / self.next() as f64,
        }
    }

    pub fn f32(&mut self) -> f32 {
        match self.below(4) {
            0 => self.choose(&[f32::MIN, f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1), 0.1]),
            1 => match f32::from_bits(self.next() as u32) {
                nan if nan.is_nan() => f32::NAN,
                number => number,
            },
            _ => self.float() as f32,
        }
    }

    pub fn f64(&mut self) -> f64 {
        match self.below(4) {
            0 => self.choose(&[f64::MIN, f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1), 0.1]),
            1 => f64::from_bits(self.next()),
            _ => self.float(),
        }
    }

    pub fn char(&mut self) -> char {
        let special = ['\0', '\n', '\u{7f}', '\u{80}', 'é', '\u{7ff}', '\u{800}', '\u{d7ff}'];
        let astral = ['\u{e000}', '\u{feff}', '\u{ffff}', '\u{10000}', '🦀', '\u{10ffff}'];
        match self.below(4) {
            0 => self.choose(&special),
            1 => self.choose(&astral),
            2 => char::from(self.below(128) as u8),
            _ => char::from_u32(self.below(0x11_0000) as u32).unwrap_or('🐍'),
        }
    }
}
