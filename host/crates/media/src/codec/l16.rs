//! Linear 16-bit samples, in network order (RFC 3551, section 4.5.11) or little endian. An odd last byte is left out.

/// Big-endian bytes to samples.
pub fn decode_be(wire: &[u8], samples: &mut [i16]) {
    for (sample, bytes) in samples.iter_mut().zip(wire.as_chunks().0) {
        *sample = i16::from_be_bytes(*bytes);
    }
}

/// Samples to big-endian bytes.
pub fn encode_be(samples: &[i16], wire: &mut [u8]) {
    for (bytes, sample) in wire.as_chunks_mut().0.iter_mut().zip(samples) {
        *bytes = sample.to_be_bytes();
    }
}

/// Little-endian bytes to samples.
pub fn decode_le(wire: &[u8], samples: &mut [i16]) {
    for (sample, bytes) in samples.iter_mut().zip(wire.as_chunks().0) {
        *sample = i16::from_le_bytes(*bytes);
    }
}

/// Samples to little-endian bytes.
pub fn encode_le(samples: &[i16], wire: &mut [u8]) {
    for (bytes, sample) in wire.as_chunks_mut().0.iter_mut().zip(samples) {
        *bytes = sample.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_is_the_one_in_the_name() {
        let samples = [0x0102, -2];
        let (mut big, mut little) = ([0; 4], [0; 4]);
        encode_be(&samples, &mut big);
        encode_le(&samples, &mut little);
        assert_eq!((big, little), ([1, 2, 0xFF, 0xFE], [2, 1, 0xFE, 0xFF]));
        let (mut from_big, mut from_little) = ([0; 2], [0; 2]);
        decode_be(&big, &mut from_big);
        decode_le(&little, &mut from_little);
        assert_eq!((from_big, from_little), (samples, samples));
    }
}
