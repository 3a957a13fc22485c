//! Sums of products, eight at a time: the compiler does not find that by itself, and a second of sound has 600 000 of them.

/// Numbers that are taken at once. Three eights: at each turn of a loop the host may interrupt, and all sums are written to memory for that.
pub(super) const LANES: usize = 24;

/// Sums of samples times weights.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy)]
pub(super) struct Sums(i32);

#[cfg(not(target_arch = "wasm32"))]
impl Sums {
    /// Of nothing.
    pub(super) fn none() -> Self {
        Self(0)
    }

    /// These and more.
    pub(super) fn and(self, samples: &[i16; LANES], weights: &[i16; LANES]) -> Self {
        Self(self.0 + samples.iter().zip(weights).map(|(sample, weight)| i32::from(*sample) * i32::from(*weight)).sum::<i32>())
    }

    /// All of them.
    pub(super) fn total(self) -> i32 {
        self.0
    }
}

#[cfg(target_arch = "wasm32")]
pub(super) use simd::Sums;

#[cfg(target_arch = "wasm32")]
mod simd {
    use super::LANES;
    use std::arch::wasm32::{i32x4_add, i32x4_dot_i16x8, i32x4_extract_lane, i32x4_splat, v128, v128_load};

    /// Sums of samples times weights.
    #[derive(Clone, Copy)]
    pub(crate) struct Sums(v128);

    impl Sums {
        /// Of nothing.
        #[inline]
        #[target_feature(enable = "simd128")]
        pub(crate) fn none() -> Self {
            Self(i32x4_splat(0))
        }

        /// These and more.
        #[inline]
        #[target_feature(enable = "simd128")]
        pub(crate) fn and(self, samples: &[i16; LANES], weights: &[i16; LANES]) -> Self {
            let (samples, weights) = (samples.as_chunks().0, weights.as_chunks().0);
            let [a, b, c] = [0, 1, 2].map(|nth| i32x4_dot_i16x8(eight(&samples[nth]), eight(&weights[nth])));
            Self(i32x4_add(self.0, i32x4_add(i32x4_add(a, b), c)))
        }

        /// All of them.
        #[inline]
        #[target_feature(enable = "simd128")]
        pub(crate) fn total(self) -> i32 {
            i32x4_extract_lane::<0>(self.0)
                + i32x4_extract_lane::<1>(self.0)
                + i32x4_extract_lane::<2>(self.0)
                + i32x4_extract_lane::<3>(self.0)
        }
    }

    /// One load: what is put together of eight numbers is eight loads.
    #[inline]
    #[target_feature(enable = "simd128")]
    fn eight(numbers: &[i16; 8]) -> v128 {
        // SAFETY: the 16 bytes are there and initialised, and WebAssembly loads from any address.
        unsafe { v128_load(numbers.as_ptr().cast()) }
    }
}
