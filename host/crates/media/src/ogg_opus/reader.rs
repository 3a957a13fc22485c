//! What is in a file: for tools and stories. Whole files, in memory.

use super::{GRANULE_HZ, HEAD_MAGIC, MAPPING_FAMILY, OggOpusError, SIDES, TAGS_MAGIC};
use crate::wav::Wav;
use ogg::PacketReader;
use opus::Channels;
use std::io::Cursor;

/// Samples of one side in the longest packet, 120 ms.
const PACKET_SAMPLES_MAX: usize = GRANULE_HZ as usize / 1_000 * 120;

/// Decodes a file of one or two channels, at 48 kHz and with two channels: one is on both sides.
///
/// # Errors
/// Where it is no such file, or a damaged one.
pub fn read(file: &[u8]) -> Result<Wav, OggOpusError> {
    let mut packets = PacketReader::new(Cursor::new(file));
    let mut next = || packets.read_packet().map_err(|_| OggOpusError::Malformed);
    let head = next()?.ok_or(OggOpusError::Malformed)?;
    let skip = pre_skip(&head.data).ok_or(OggOpusError::Malformed)?;
    let tags = next()?.filter(|tags| tags.data.starts_with(TAGS_MAGIC));
    tags.ok_or(OggOpusError::Malformed)?;
    let mut decoder = opus::Decoder::new(GRANULE_HZ, Channels::Stereo)?;
    let (mut samples, mut decoded) = (Vec::new(), vec![0; SIDES * PACKET_SAMPLES_MAX]);
    let mut end = None;
    while let Some(packet) = next()? {
        // An empty one would be taken for a loss.
        if packet.data.is_empty() {
            return Err(OggOpusError::Malformed);
        }
        let count = decoder.decode(&packet.data, &mut decoded, false)?;
        samples.extend_from_slice(&decoded[..SIDES * count]);
        if packet.last_in_stream() {
            end = Some(packet.absgp_page());
            break;
        }
    }
    let end = end.and_then(|end| usize::try_from(end).ok()).ok_or(OggOpusError::Malformed)?;
    samples.truncate(end.saturating_mul(SIDES));
    samples.drain(..samples.len().min(SIDES * skip));
    Ok(Wav { rate_hz: GRANULE_HZ, channels: SIDES as u16, samples })
}

/// What of granule positions is skipped at the beginning.
fn pre_skip(head: &[u8]) -> Option<usize> {
    let fields = head.strip_prefix(HEAD_MAGIC)?;
    let [version, channels, low, high, _, _, _, _, _, _, MAPPING_FAMILY, ..] = fields else { return None };
    // The upper half of a version says whether it can be read by whoever knows another (section 5.1).
    (version >> 4 == 0 && (1..=SIDES as u8).contains(channels)).then(|| usize::from(u16::from_le_bytes([*low, *high])))
}
