//! Whom a tenant may call, by which way and under which number.

use crate::number::{Number, NumberPlan, Pattern};
use crate::pii::Pii;
use std::str::FromStr;

/// A tenant's rules for calls that the gateway makes. What they do not allow is not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundRules {
    /// The way out.
    pub trunk: Trunk,
    /// The number that is shown where the order names none.
    pub caller_id: Number,
    /// Other numbers that may be shown.
    pub caller_ids: Vec<Number>,
    /// Numbers that may be called.
    pub patterns: Vec<Pattern>,
    /// Numbers that may not be called, whatever [`patterns`](Self::patterns) say.
    pub denied: Vec<Pattern>,
    /// How numbers are dialled.
    pub plan: NumberPlan,
    /// Whether it is looked whether a machine answers.
    pub machines: MachineDetection,
}

/// Whether it is looked whether a machine answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MachineDetection {
    /// Whoever answers is talked to at once.
    #[default]
    Off,
    /// Some seconds of listening before the first word; then this.
    On(OnMachine),
}

/// What is done where a machine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnMachine {
    /// The call ends.
    HangUp,
    /// This is said once the machine is quiet, then the call ends.
    Say(String),
}

/// An order that the rules do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// What is to be called, or shown, is no number.
    #[error("text is no number")]
    NotANumber,
    /// The number is not one that may be called.
    #[error("number is outside of the tenant's patterns")]
    OutsidePatterns,
    /// The number that is to be shown is not the tenant's.
    #[error("caller id is not the tenant's")]
    ForeignCallerId,
}

impl RouteError {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotANumber => "not_a_number",
            Self::OutsidePatterns => "outside_patterns",
            Self::ForeignCallerId => "foreign_caller_id",
        }
    }
}

/// How somebody is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Who is called.
    pub to: Number,
    /// Which number is shown.
    pub from: Number,
    /// The dial string.
    pub endpoint: Pii<String>,
}

impl OutboundRules {
    /// The way to a number as people write it; `from` as well, none for the tenant's own.
    ///
    /// # Errors
    /// Where the rules do not allow it.
    pub fn route(&self, to: &str, from: Option<&str>) -> Result<Route, RouteError> {
        let read = |text| self.plan.read(text).map_err(|_| RouteError::NotANumber);
        let to = read(to)?;
        let allowed = self.patterns.iter().any(|pattern| pattern.matches(&to));
        if !allowed || self.denied.iter().any(|pattern| pattern.covers(&to)) {
            return Err(RouteError::OutsidePatterns);
        }
        let from = from.map(read).transpose()?.unwrap_or_else(|| self.caller_id.clone());
        if from != self.caller_id && !self.caller_ids.contains(&from) {
            return Err(RouteError::ForeignCallerId);
        }
        Ok(Route { endpoint: self.trunk.to(&to), to, from })
    }
}

/// A dial string with a place for the number: `{number}` with its `+`, or `{digits}` without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    before: String,
    place: Place,
    after: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Number,
    Digits,
}

/// Text that is no trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected TECHNOLOGY/… with {{number}} or {{digits}} in it once, for example PJSIP/{{number}}@trunk")]
pub struct TrunkError;

impl FromStr for Trunk {
    type Err = TrunkError;

    fn from_str(text: &str) -> Result<Self, TrunkError> {
        let by = |mark, place| text.split_once(mark).map(|(before, after)| (before, place, after));
        let found = by("{number}", Place::Number).or_else(|| by("{digits}", Place::Digits));
        let (before, place, after) = found.ok_or(TrunkError)?;
        // Without `&`, which would call several, and `,`, which would begin options.
        let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@:/;=+".contains(c));
        let technology = before.split_once('/').is_some_and(|(technology, _)| !technology.is_empty());
        if !technology || !plain(before) || !plain(after) {
            return Err(TrunkError);
        }
        Ok(Self { before: before.to_owned(), place, after: after.to_owned() })
    }
}

impl Trunk {
    /// The dial string to a number.
    pub fn to(&self, number: &Number) -> Pii<String> {
        let number = match self.place {
            Place::Number => number.reveal(),
            Place::Digits => number.digits(),
        };
        Pii::new(format!("{}{number}{}", self.before, self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> OutboundRules {
        let plan = NumberPlan { country: Some("55".into()) };
        let number = |text| plan.read(text).unwrap();
        OutboundRules {
            trunk: "PJSIP/{digits}@trunk".parse().unwrap(),
            caller_id: number("1130000000"),
            caller_ids: vec![number("1130000001")],
            patterns: vec!["+55.".parse().unwrap(), "2XXX".parse().unwrap()],
            denied: vec!["+55900.".parse().unwrap()],
            machines: MachineDetection::Off,
            plan,
        }
    }

    #[test]
    fn a_number_within_the_patterns_has_a_way_under_the_tenants_number() {
        let route = rules().route("(11) 99999-8888", None).unwrap();
        assert_eq!(route.endpoint.reveal(), "PJSIP/5511999998888@trunk");
        assert_eq!((route.to.reveal(), route.from.reveal()), ("+5511999998888", "+551130000000"));
        let route = rules().route("2001", Some("+551130000001")).unwrap();
        assert_eq!((route.endpoint.reveal().as_str(), route.from.reveal()), ("PJSIP/2001@trunk", "+551130000001"));
    }

    #[test]
    fn what_the_rules_do_not_allow_has_none() {
        let rules = rules();
        for (to, from, error) in [
            ("+4930123456", None, RouteError::OutsidePatterns),
            ("004930123456", None, RouteError::OutsidePatterns),
            // Premium numbers, however they are written.
            ("+55 900 123456", None, RouteError::OutsidePatterns),
            ("0900 123456", None, RouteError::OutsidePatterns),
            ("3001", None, RouteError::OutsidePatterns),
            ("2001&PJSIP/9@trunk", None, RouteError::NotANumber),
            ("", None, RouteError::NotANumber),
            ("2001", Some("+551139999999"), RouteError::ForeignCallerId),
            ("2001", Some("police"), RouteError::NotANumber),
        ] {
            assert_eq!(rules.route(to, from), Err(error), "{to} {from:?}");
        }
    }

    #[test]
    fn what_is_denied_stays_denied_where_a_pattern_names_a_dear_range_within_it() {
        let allowed = vec!["+44.".parse().unwrap(), "+44871.".parse().unwrap()];
        let mut rules = OutboundRules { patterns: allowed, denied: Vec::new(), ..rules() };
        assert!(rules.route("+448711234567", None).is_ok());
        rules.denied = vec!["+448!".parse().unwrap()];
        assert_eq!(rules.route("+448711234567", None), Err(RouteError::OutsidePatterns));
        assert!(rules.route("+442071234567", None).is_ok());
    }

    #[test]
    fn a_dial_string_has_one_place_for_the_number_and_no_options() {
        for text in ["PJSIP/{number}@trunk", "PJSIP/trunk/sip:{number}@127.0.0.1:5060", "Local/{digits}@out"] {
            assert!(text.parse::<Trunk>().is_ok(), "{text}");
        }
        for text in [
            "",
            "{number}",
            "PJSIP/trunk",
            "/{number}",
            "PJSIP/{number}&PJSIP/9",
            "PJSIP/{number},30",
            "PJSIP/{number}{digits}",
            "P JSIP/{number}",
        ] {
            assert!(text.parse::<Trunk>().is_err(), "{text}");
        }
    }
}
