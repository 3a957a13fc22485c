use super::*;

fn file(tag: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let mut file = write_mono(8_000, &[]);
    file.truncate(36);
    file[20..22].copy_from_slice(&tag.to_le_bytes());
    file[22..24].copy_from_slice(&channels.to_le_bytes());
    file[34..36].copy_from_slice(&bits.to_le_bytes());
    file.extend(b"LIST\x03\0\0\0abc\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

fn samples(tag: u16, bits: u16, data: &[u8]) -> Result<Vec<i16>, WavError> {
    read(&file(tag, 1, bits, data)).map(|wav| wav.samples)
}

#[test]
fn file_written_is_the_file_read() {
    let mono = Wav { rate_hz: 16_000, channels: 1, samples: vec![1, -2, i16::MIN] };
    assert_eq!(read(&write_mono(16_000, &mono.samples)), Ok(mono));
    let stereo = read(&write_stereo(8_000, &[1, 2, 3], &[-1])).unwrap();
    assert_eq!((stereo.channels, &stereo.samples[..]), (2, &[1, -1, 2, 0, 3, 0][..]));
    assert_eq!(stereo.mono(), [0, 1, 1]);
}

#[test]
fn every_supported_encoding_is_read_past_foreign_chunks() {
    assert_eq!(samples(1, 16, &[1, 0, 0xFF, 0xFF]), Ok(vec![1, -1]));
    assert_eq!(samples(1, 8, &[128, 255, 0]), Ok(vec![0, 127 << 8, -32768]));
    assert_eq!(samples(7, 8, &[0xFF, 0x80]), Ok(vec![0, 32_124]));
    assert_eq!(samples(6, 8, &[0xD5, 0xAA]), Ok(vec![8, 32_256]));
    // Finer ones are rounded to 16 bits and never over the end of the scale.
    assert_eq!(samples(1, 24, &[0xFF, 1, 0, 0x80, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]), Ok(vec![2, 0, i16::MAX]));
    assert_eq!(samples(1, 32, &[0, 0, 5, 0, 0xFF, 0x7F, 6, 0x80]), Ok(vec![5, -32_762]));
    let floats = |all: &[f32]| all.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>();
    let clipped = [i16::MAX, i16::MIN, 16_384, 0];
    assert_eq!(samples(3, 32, &floats(&[1.5, -1.0, 0.5, f32::NAN])), Ok(clipped.to_vec()));
    let doubles: Vec<u8> = [1.5f64, -1.0, 0.5, f64::NAN].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(samples(3, 64, &doubles), Ok(clipped.to_vec()));
}

#[test]
fn extensible_header_is_read_by_its_sub_format() {
    let mut extensible = file(TAG_EXTENSIBLE, 1, 16, &[7, 0]);
    extensible[16..20].copy_from_slice(&40u32.to_le_bytes());
    let sub_format = [&[22, 0, 16, 0, 4, 0, 0, 0, 1, 0][..], &[0; 14]].concat();
    extensible.splice(36..36, sub_format);
    assert_eq!(read(&extensible).map(|wav| wav.samples), Ok(vec![7]));
}

#[test]
fn length_unknown_to_its_writer_means_all_there_is() {
    for size in SIZES_UNKNOWN {
        let mut piped = write_mono(8_000, &[5, 6]);
        piped[40..44].copy_from_slice(&size.to_le_bytes());
        assert_eq!(read(&piped).map(|wav| wav.samples), Ok(vec![5, 6]), "{size:#x}");
    }
}

#[test]
fn every_other_kind_of_file_has_an_error_of_its_own() {
    let good = write_mono(8_000, &[1, 2, 3]);
    assert_eq!(read(b"no file of any kind"), Err(WavError::NotWave));
    assert_eq!(read(b""), Err(WavError::NotWave));
    assert_eq!(read(&good[..good.len() - 1]), Err(WavError::Truncated));
    assert_eq!(read(&good[..30]), Err(WavError::Truncated));
    assert_eq!(read(&good[..12]), Err(WavError::FormatMissing));
    assert_eq!(read(&good[..36]), Err(WavError::DataMissing));
    assert_eq!(samples(2, 4, &[0; 4]), Err(WavError::Encoding { tag: 2 }));
    assert_eq!(samples(1, 0, &[0; 3]), Err(WavError::Bits { bits: 0 }));
    assert_eq!(samples(1, 33, &[0; 5]), Err(WavError::Bits { bits: 33 }));
    assert_eq!(samples(3, 16, &[0; 2]), Err(WavError::Bits { bits: 16 }));
    assert_eq!(samples(7, 16, &[0; 2]), Err(WavError::Bits { bits: 16 }));
    assert_eq!(read(&file(1, 0, 16, &[])), Err(WavError::Shape { channels: 0, rate_hz: 8_000 }));
}

#[test]
fn sample_of_fewer_bits_lies_in_the_upper_ones_of_its_bytes() {
    // 12 and 20 bits in 2 and 3 bytes, as the format's description says.
    assert_eq!(samples(1, 12, &[0xF0, 0x7F]), Ok(vec![0x7FF0]));
    assert_eq!(samples(1, 20, &[0x00, 0x01, 0x40]), Ok(vec![0x4001]));
}

#[test]
fn file_of_the_other_byte_order_is_read_as_well() {
    let mut file = b"RIFX\0\0\0\x28WAVEfmt \0\0\0\x10\0\x01\0\x02\0\0\x1F\x40\0\0\x7D\0\0\x04\0\x10data\0\0\0\x04".to_vec();
    file.extend([0x12, 0x34, 0xFF, 0xFE]);
    let wav = Wav { rate_hz: 8_000, channels: 2, samples: vec![0x1234, -2] };
    assert_eq!(read(&file), Ok(wav));
}

#[test]
fn other_containers_are_called_by_their_names() {
    let named = |file: &[u8]| match read(file) {
        Err(WavError::Container { container }) => container,
        other => panic!("{other:?}"),
    };
    assert_eq!(named(b"ID3\x04 this is an mp3"), "mp3");
    assert_eq!(named(&[0xFF, 0xFB, 0x90, 0x64]), "mp3");
    assert_eq!(named(b"OggS\0"), "ogg");
    assert_eq!(named(b"fLaC"), "flac");
    assert_eq!(named(b"FORM\0\0\0\0AIFF"), "aiff");
    assert_eq!(named(b".snd\0\0\0\x18"), "au");
    assert_eq!(named(b"\0\0\0\x20ftypM4A "), "mp4");
    assert_eq!(named(b"RF64\xFF\xFF\xFF\xFFWAVE"), "a wave file beyond 4 GiB (RF64)");
    assert_eq!(named(b"RIFF\0\0\0\0AVI "), "a riff file without waves");
    // Raw samples are no file: nobody could tell their rate.
    assert_eq!(read(&[0x7F; 400]), Err(WavError::NotWave));
}
