use super::*;

fn settings() -> TransferSettings {
    let place = |text| PlacePattern::parse(text).unwrap();
    let outside = |trunk: &str, numbers: &[&str]| Outside {
        way: OutsideWay::Trunk { place: place("out,{name}"), trunk: trunk.into(), caller_id: None },
        numbers: numbers.iter().map(|text| text.parse().unwrap()).collect(),
    };
    TransferSettings {
        queue: Some(place("queues,{name}")),
        extension: None,
        external: vec![outside("city", &["+4930."]), outside("country", &["+49."])],
        ..TransferSettings::default()
    }
}

fn wish(target: TransferTarget) -> Transfer {
    Transfer { target, mode: TransferMode::Blind, summary: None }
}

fn resolved(target: TransferTarget) -> Result<(String, Option<String>), &'static str> {
    match settings().resolve(&wish(target), None).map_err(TransferRefusal::code)?.way {
        Way::Dialplan { place, trunk, .. } => Ok((format!("{},{}", place.context(), place.extension()), trunk)),
        Way::Refer(address) => Ok((address.reveal().clone(), None)),
    }
}

fn external(number: &str) -> TransferTarget {
    TransferTarget::External(Pii::new(number.into()))
}

#[test]
fn a_queue_is_found_by_its_name_and_a_name_that_says_more_is_none() {
    assert_eq!(resolved(TransferTarget::Queue("sales".into())), Ok(("queues,sales".into(), None)));
    let long = "x".repeat(NAME_MAX + 1);
    for name in ["", "sales,1", "a b", "${SHELL(id)}", "{name}", "sales&PJSIP/x", "sales\n", &long] {
        assert_eq!(resolved(TransferTarget::Queue(name.into())), Err("bad_name"), "{name:?}");
    }
    assert_eq!(resolved(TransferTarget::Extension("4711".into())), Err("no_targets"));
}

#[test]
fn a_number_outside_goes_over_the_trunk_whose_pattern_allows_it_and_over_no_other() {
    assert_eq!(resolved(external("+49 30 123 456")), Ok(("out,+4930123456".into(), Some("city".into()))));
    assert_eq!(resolved(external("0049 89 123 456")), Ok(("out,+4989123456".into(), Some("country".into()))));
    assert_eq!(resolved(external("+33 1 2345678")), Err("forbidden"));
    assert_eq!(resolved(external("+49 900 1234567")), Err("forbidden"));
    assert_eq!(resolved(external("030 123456")), Err("bad_number"));
    let nobody = TransferSettings::default().resolve(&wish(external("+4930123456")), None);
    assert_eq!(nobody, Err(TransferRefusal::NoTargets));
}

#[test]
fn no_number_is_printed() {
    let wish = wish(external("+4930123456"));
    let handover = settings().resolve(&wish, None).unwrap();
    let printed = format!("{wish:?} {handover:?}");
    assert!(!printed.contains("30123456"), "{printed}");
}

#[test]
fn a_pattern_needs_its_mark_and_makes_a_place() {
    for wrong in ["queues", "queues,sales", "{name}", "qu eues,{name}", "queues,{name},1", "queues,{number}"] {
        assert_eq!(PlacePattern::parse(wrong), None, "{wrong}");
    }
    assert!(PlacePattern::parse("tenant-a,queue-{name}").is_some());
}

#[test]
fn the_dialplans_words_have_codes_of_their_own_and_strange_ones_are_failures() {
    let code = |status| Returned::of(status).code();
    assert_eq!(["BUSY", "NOANSWER", "CONGESTION", "CHANUNAVAIL"].map(code), ["busy", "no_answer", "congestion", "unavailable"]);
    assert_eq!(
        ["TIMEOUT", "FULL", "JOINEMPTY", "", "ANYTHING"].map(code),
        ["timeout", "queue_full", "unavailable", "failed", "failed"]
    );
}

#[test]
fn a_referral_goes_to_a_sip_address_and_to_nothing_else() {
    for wrong in [
        "sip:4711@sbc.example",
        "{name}",
        "tel:{name}",
        "sip:{name}@a b",
        "sip:{name}>@x",
        "sip:{name}@x?Replaces=y",
        "sip:{name}@x,sip:y",
    ] {
        assert_eq!(ReferPattern::parse(wrong), None, "{wrong}");
    }
    assert!(ReferPattern::parse("sips:{name}@sbc.example:5061;transport=tls").is_some());
}
