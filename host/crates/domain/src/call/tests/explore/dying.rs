//! Gateways that die in the middle of a call, and what must still hold when another one has gone on.

use super::*;

impl Walk {
    /// Another gateway goes on from what this one kept last, which may be a while ago.
    pub(super) fn die(&mut self) {
        let Some(resume) = self.call.resume_point(self.world.now) else { return };
        if self.drained {
            return;
        }
        self.note(format!("dies: {:?}", resume.place));
        let silent = Duration::from_millis(self.fate.as_mut().map_or(0, |fate| fate.below(2_000)));
        let gap = Gap { unkept: Duration::ZERO, silent };
        let turn = self.asked_now();
        self.said_before = match &self.call.phase {
            Phase::Speaking { reply: Some(reply), .. } => reply.said.clone(),
            Phase::Answering { .. } => std::mem::take(&mut self.said_before),
            _ => MaskedText::default(),
        };
        let now = self.world.now + silent;
        self.world.loses_its_gateway(now);
        (self.open, self.back) = (None, false);
        self.asked.clear();
        self.answered_early.clear();
        self.cut.clear();
        // Who is asked again answers again; what was being said has its end with whoever goes on.
        let says = matches!(resume.place, Standing::Saying { .. });
        let was_on_its_way = matches!(self.call.phase, Phase::Answering { .. });
        self.unanswered.retain(|asked| says && (was_on_its_way || Some(*asked) == turn));
        let (tenant, parties) = (Arc::clone(&self.call.tenant), Arc::clone(&self.call.parties));
        self.call = Call::adopt(&tenant, parties, resume, gap, now).with_vault(self.has_vault);
        self.adoptions += 1;
        self.carry_out(false);
        self.check();
    }

    /// What is on record was said: all by this gateway, or its beginning by one that has died.
    pub(super) fn was_said(&mut self, record: &str) {
        let said = self.said.last_key_value().map(|(_, said)| said.as_str()).unwrap_or_default();
        let before = std::mem::take(&mut self.said_before);
        let heard = record.strip_suffix(said).unwrap_or(record).trim_end();
        let is_whole = record == said || before.as_str().starts_with(heard);
        assert!(is_whole, "on record is {record}, said was {said}, and before {before:?}");
    }
}
