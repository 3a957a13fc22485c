//! Calls with labels, and what a masker makes of them.

use pci_mask::Masker;
use std::{fmt, fs, path::Path};
use vg_plugin_sdk::mask::{Segment, Settings, Source, Span, SpanKind};

/// A stretch of a segment's text that must, or may, be masked.
pub(crate) struct Label {
    pub(crate) kind: SpanKind,
    pub(crate) must: bool,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

pub(crate) struct Said {
    pub(crate) segment: Segment,
    pub(crate) labels: Vec<Label>,
}

pub(crate) struct Call {
    pub(crate) line: String,
    pub(crate) said: Vec<Said>,
}

impl Call {
    pub(crate) fn has_labels(&self) -> bool {
        self.said.iter().any(|said| !said.labels.is_empty())
    }

    /// A line of a fixture.
    pub(crate) fn parse(line: &str) -> Self {
        Self { line: line.to_owned(), said: line.split(" | ").map(parse_segment).collect() }
    }
}

fn parse_segment(piece: &str) -> Said {
    let (source, partial, mut rest) = match piece.split_at_checked(1) {
        Some(("~", rest)) => (Source::Caller, true, rest),
        _ if piece.starts_with("A: ") => (Source::Agent, false, &piece[3..]),
        _ if piece.starts_with("D: ") => (Source::Dtmf, false, &piece[3..]),
        _ => (Source::Caller, false, piece),
    };
    let (mut text, mut labels) = (String::new(), Vec::new());
    while let Some((before, inside)) = rest.split_once('{') {
        let (inside, after) = inside.split_once('}').unwrap();
        let (kind, marked) = inside.split_once(':').unwrap();
        let (kind, must) = kind.strip_suffix('?').map_or((kind, true), |kind| (kind, false));
        let kind = match kind {
            "card" => SpanKind::CardNumber,
            "cvv" => SpanKind::SecurityCode,
            "exp" => SpanKind::ExpiryDate,
            "doc" => SpanKind::DocumentNumber,
            other => panic!("no kind: {other}"),
        };
        text.push_str(before);
        labels.push(Label { kind, must, start: text.len(), end: text.len() + marked.len() });
        text.push_str(marked);
        rest = after;
    }
    text.push_str(rest);
    Said { segment: Segment { text, source, partial }, labels }
}

pub(crate) fn fixtures(name: &str) -> Vec<Call> {
    let text = read(name);
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Call::parse).collect()
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{name}.txt"));
    fs::read_to_string(path).unwrap()
}

/// Calls below the headings `# === set` and `# --- language`.
pub(crate) struct Section {
    pub(crate) set: String,
    pub(crate) language: String,
    pub(crate) calls: Vec<Call>,
}

/// A fixture that is in sections.
pub(crate) fn sections(name: &str) -> Vec<Section> {
    let (mut sections, mut set) = (Vec::<Section>::new(), String::new());
    for line in read(name).lines() {
        if let Some(heading) = line.strip_prefix("# === ") {
            set = heading.to_owned();
        } else if let Some(language) = line.strip_prefix("# --- ") {
            sections.push(Section { set: set.clone(), language: language.to_owned(), calls: vec![] });
        } else if !line.starts_with('#') {
            sections.last_mut().unwrap().calls.push(Call::parse(line));
        }
    }
    sections
}

pub(crate) fn settings(language: &str, last_four: bool) -> Settings {
    let kinds = vec![SpanKind::CardNumber, SpanKind::SecurityCode, SpanKind::ExpiryDate, SpanKind::DocumentNumber];
    Settings { languages: vec![language.to_owned()], kinds, last_four }
}

pub(crate) fn masker(language: &str) -> Masker {
    Masker::new(&settings(language, false))
}

/// So many of so many.
#[derive(Clone, Copy, Default)]
pub(crate) struct Share(pub(crate) usize, pub(crate) usize);

impl Share {
    fn count(&mut self, hit: bool) {
        self.0 += usize::from(hit);
        self.1 += 1;
    }

    pub(crate) fn part(self) -> f64 {
        if self.1 == 0 { 1.0 } else { self.0 as f64 / self.1 as f64 }
    }

    /// Wilson's interval at 95 %.
    pub(crate) fn bounds(self) -> (f64, f64) {
        let (part, count, z) = (self.part(), self.1.max(1) as f64, 1.96_f64);
        let (middle, scale) = (part + z * z / (2.0 * count), 1.0 + z * z / count);
        let reach = z * (part * (1.0 - part) / count + z * z / (4.0 * count * count)).sqrt();
        (((middle - reach) / scale).max(0.0), ((middle + reach) / scale).min(1.0))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.bounds();
        write!(f, "{}/{} = {:.2} % [{:.2}, {:.2}]", self.0, self.1, 100.0 * self.part(), 100.0 * low, 100.0 * high)
    }
}

/// What a masker found, missed and took for what it is not.
#[derive(Default)]
pub(crate) struct Tally {
    /// Card numbers in digits, in words; codes, dates and documents.
    pub(crate) written: Share,
    pub(crate) spoken: Share,
    pub(crate) others: Share,
    /// Calls with nothing to mask in which something was masked.
    pub(crate) false_calls: Share,
    /// Masks in calls with something to mask that stand where nothing is; of all masks.
    pub(crate) stray: Share,
    pub(crate) faults: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.written, other.written),
            (&mut self.spoken, other.spoken),
            (&mut self.others, other.others),
            (&mut self.false_calls, other.false_calls),
            (&mut self.stray, other.stray),
        ] {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
    }

    pub(crate) fn hold_to_the_thresholds(&self) {
        assert!(self.written.part() >= 0.999, "recall of written numbers: {}", self.written);
        assert!(self.spoken.part() >= 0.99, "recall of spoken numbers: {}", self.spoken);
        assert!(self.others.part() >= 0.99, "recall of codes, dates and documents: {}", self.others);
        assert!(self.false_calls.part() <= 0.005, "false positives: {}", self.false_calls);
        assert!(self.stray.part() <= 0.005, "masks beside what was to be masked: {}", self.stray);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hits = Share(self.written.0 + self.spoken.0 + self.others.0, 0).0;
        let precision = Share(hits, hits + self.false_calls.0 + self.stray.0);
        write!(
            f,
            "recall written {}; spoken {}; codes, dates, documents {}; precision {precision}; false positives {}; stray {}",
            self.written, self.spoken, self.others, self.false_calls, self.stray
        )
    }
}

/// Plays a call and compares.
pub(crate) fn play(masker: &mut Masker, call: &Call) -> Tally {
    let (mut tally, mut any) = (Tally::default(), false);
    for said in &call.said {
        let Segment { text, source, partial } = &said.segment;
        let masked = masker.mask(&Segment { text: text.clone(), source: *source, partial: *partial });
        any |= !masked.spans.is_empty();
        for label in said.labels.iter().filter(|label| label.must) {
            let part = &text[label.start..label.end];
            let hit = covered(text, label, &masked.spans);
            match label.kind {
                SpanKind::CardNumber if part.chars().any(char::is_alphabetic) => tally.spoken.count(hit),
                SpanKind::CardNumber => tally.written.count(hit),
                _ => tally.others.count(hit),
            }
            if !hit {
                tally.faults.push(format!("missed ({})", masked.text));
            }
        }
        for span in &masked.spans {
            let stray = !said.labels.iter().any(|label| (span.start as usize) < label.end && label.start < span.end as usize);
            if call.has_labels() {
                tally.stray.count(stray);
            }
            if stray {
                tally.faults.push(format!("masked ({})", masked.text));
            }
        }
    }
    if !call.has_labels() {
        tally.false_calls.count(any);
    }
    tally
}

/// Every digit and letter of the label stands under a mask of its kind.
fn covered(text: &str, label: &Label, spans: &[Span]) -> bool {
    let inside =
        |at: usize| spans.iter().any(|span| span.kind == label.kind && (span.start as usize) <= at && at < span.end as usize);
    text[label.start..label.end].char_indices().filter(|(_, char)| char.is_alphanumeric()).all(|(at, _)| inside(label.start + at))
}
