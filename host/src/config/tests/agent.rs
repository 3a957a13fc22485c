use super::*;

fn agent(text: &str, environment: &[(&str, &str)]) -> Agent {
    Config::parse(text, variables(environment), &machine()).unwrap().agent
}

#[test]
fn an_agent_elsewhere_is_a_url_and_a_reference_to_its_token() {
    let Agent::Http(remote) =
        agent("[agent]\nkind = 'http'\nurl = 'https://agent.example/base'\ntoken = 'env:T'", &[("T", "abc")])
    else {
        panic!("no agent by http");
    };
    assert_eq!(remote.url.as_str(), "https://agent.example/base");
    assert_eq!(remote.token.as_ref().map(|token| token.reveal().as_str()), Some("abc"));
    assert_eq!(remote.answer, Duration::from_secs(60));
    assert!(!format!("{remote:?}").contains("abc"), "{remote:?}");
    assert!(matches!(agent("[agent]\nkind = 'grpc'\nurl = 'http://127.0.0.1:1'", &[]), Agent::Grpc(_)));
}

#[test]
fn a_model_has_a_name_and_is_told_what_to_be() {
    let text = "[agent]\nkind = 'openai'\nurl = 'http://127.0.0.1:1/v1'\nmodel = 'small'";
    let Agent::Chat(chat) = agent(text, &[("VG__AGENT__HISTORY_TURNS", "3")]) else { panic!("no model") };
    assert_eq!((chat.model.as_str(), chat.history_turns), ("small", 3));
    assert!(chat.system.contains("telephone"), "{}", chat.system);
    assert_eq!(faults("[agent]\nkind = 'openai'", &[]), ["agent.url: is needed", "agent.model: is needed"]);
}

#[test]
fn what_no_agent_can_be_reached_by_is_a_fault_with_its_path() {
    let with =
        |line: &str| faults(&format!("[agent]\nkind = 'http'\nurl = 'http://x'\n{line}"), &[("BAD", "a b"), ("EMPTY", "")]);
    assert_eq!(with("answer_s = 0"), ["agent.answer_s: must be at least 1"]);
    assert_eq!(with("token = 'env:NONE'"), ["agent.token: environment variable NONE is not set, or no text"]);
    assert_eq!(with("token = 'env:BAD'"), ["agent.token: env:BAD is empty or holds what no header can"]);
    assert_eq!(faults("[agent]\nkind = 'oracle'", &[]), ["agent.kind: expected builtin, http, grpc or openai"]);
    assert_eq!(faults("[agent]\nurl = 'http://x'", &[]), ["agent.kind: is needed where agent.url is set: http, grpc or openai"]);
    let url = |url: &str| faults(&format!("[agent]\nkind = 'grpc'\nurl = '{url}'"), &[]);
    for bad in ["agent.example", "ftp://agent.example", "unix:/run/agent"] {
        assert_eq!(url(bad), ["agent.url: expected a URL such as https://agent.example"], "{bad}");
    }
    assert_eq!(url("http://a:b@x"), ["agent.url: holds a name or password: a secret stands in agent.token"]);
    assert_eq!(url("http://x/?q=1"), ["agent.url: must end with the path"]);
}
