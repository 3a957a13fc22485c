//! What an author pushes is what an operator pulls.

use crate::real::{PASSWORD, Real, Wish};
use crate::{Author, component};
use vg_plugin_store::{
    Artifact, Credentials, Digest, Incoming, OciReference, PlainHttp, Reference, Registry, RegistryError, RegistryOptions, Store,
    TrustPolicy, open,
};

fn at(registry: &Real, rest: &str) -> OciReference {
    format!("{}/{rest}", registry.address).parse().unwrap()
}

fn code<T>(result: Result<T, RegistryError>) -> &'static str {
    let error = result.err().unwrap();
    assert!(error.remedy().ends_with('.'));
    error.code()
}

#[tokio::test]
async fn a_signed_plugin_comes_through_a_registry_into_the_store() {
    let (registry, author) = (Real::start(&Wish::default()), Author::new());
    let client = Registry::default();
    // More than the 4 MiB that go in one piece.
    let wasm = component(&"speech ".repeat(1 << 20));
    let plugin = "stt-acme@1.2.0".parse().unwrap();
    let signature = author.signs(&wasm, &plugin);
    let tag = at(&registry, "acme/plugins/stt-acme:1.2.0");
    let artifact = Artifact { wasm: &wasm, plugin: &plugin, signature: Some(&signature) };
    let pushed = client.push(&tag, &artifact).await.unwrap();
    assert_eq!(client.push(&tag, &artifact).await.unwrap(), pushed, "the same artifact has the same digest");
    assert_eq!(pushed.component, Digest::of(&wasm));

    for reference in [&tag, &pushed.pinned] {
        let pulled = client.pull(reference).await.unwrap();
        assert!(pulled.wasm == wasm);
        assert_eq!((pulled.plugin.as_ref(), &pulled.pinned), (Some(&plugin), &pushed.pinned));
        assert_eq!(pulled.signature.as_ref().unwrap().text(), signature.text());
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let incoming = Incoming { wasm: &pulled.wasm, plugin: &plugin, signature: pulled.signature.as_ref(), source: "registry" };
        store.put(&incoming, &[Reference::Oci(reference.clone())]).unwrap();
        let policy = TrustPolicy { require_signature: true, keys: vec![author.public.clone()], ..TrustPolicy::default() };
        let opened = open(&Reference::Oci(reference.clone()), &store, &policy).unwrap();
        assert_eq!(opened.admitted.signer.unwrap().plugin, Some(plugin.clone()));
    }
}

#[tokio::test]
async fn a_pin_survives_the_tag_that_moves_on() {
    let registry = Real::start(&Wish::default());
    let client = Registry::default();
    let plugin = "echo".parse().unwrap();
    let push = async |text: &str| {
        let wasm = component(text);
        client.push(&at(&registry, "echo"), &Artifact { wasm: &wasm, plugin: &plugin, signature: None }).await.unwrap()
    };
    let (old, new) = (push("old").await, push("new").await);
    assert_eq!(client.pull(&at(&registry, "echo:latest")).await.unwrap().pinned, new.pinned);
    let pulled = client.pull(&at(&registry, "echo:latest").pinned(old.pinned.digest().unwrap())).await.unwrap();
    assert!(pulled.wasm == component("old") && pulled.signature.is_none());
    assert_eq!(
        code(client.push(&old.pinned, &Artifact { wasm: &pulled.wasm, plugin: &plugin, signature: None }).await),
        "push-by-digest"
    );
}

#[tokio::test]
async fn what_a_registry_does_not_have_is_not_found() {
    let registry = Real::start(&Wish::default());
    let (client, plugin, wasm) = (Registry::default(), "echo".parse().unwrap(), component("echo"));
    assert_eq!(code(client.pull(&at(&registry, "nobody/nothing:1")).await), "not-found");
    let pushed =
        client.push(&at(&registry, "echo:1"), &Artifact { wasm: &wasm, plugin: &plugin, signature: None }).await.unwrap();
    assert_eq!(code(client.pull(&at(&registry, "echo:2")).await), "not-found");
    assert_eq!(code(client.pull(&pushed.pinned.pinned(Digest::of(b"other"))).await), "not-found");
    let address = registry.address.clone();
    drop(registry);
    assert_eq!(code(client.pull(&format!("{address}/echo:1").parse().unwrap()).await), "unreachable");
}

#[tokio::test]
async fn content_that_was_tampered_with_in_the_registry_is_refused() {
    let registry = Real::start(&Wish::default());
    let (client, plugin, wasm) = (Registry::default(), "echo".parse().unwrap(), component("genuine"));
    let pushed =
        client.push(&at(&registry, "echo:1"), &Artifact { wasm: &wasm, plugin: &plugin, signature: None }).await.unwrap();
    let blob = registry.blob(&pushed.component.hex());
    std::fs::write(&blob, component("genuinE")).unwrap();
    assert_eq!(code(client.pull(&pushed.pinned).await), "wrong-digest");
    std::fs::write(&blob, component("genui")).unwrap();
    assert_eq!(code(client.pull(&pushed.pinned).await), "wrong-size");
    // This registry keeps manifests among its blobs.
    let manifest = registry.blob(&pushed.pinned.digest().unwrap().hex());
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"echo\"", "\"ohce\"")).unwrap();
    for reference in [&pushed.pinned, &at(&registry, "echo:1")] {
        assert!(client.pull(reference).await.is_err());
    }
}

#[tokio::test]
async fn a_password_is_asked_for_and_goes_to_its_own_registry_only() {
    let registry = Real::start(&Wish { login: true, ..Wish::default() });
    let (plugin, wasm) = ("echo".parse().unwrap(), component("private"));
    let (reference, artifact) = (at(&registry, "echo:1"), Artifact { wasm: &wasm, plugin: &plugin, signature: None });
    let as_user = |credentials| Registry::new(RegistryOptions { credentials, ..RegistryOptions::default() });
    let tester = as_user(Credentials::default().with(&registry.address, "tester", PASSWORD));
    tester.push(&reference, &artifact).await.unwrap();
    assert!(tester.pull(&reference).await.unwrap().wasm == wasm);
    let strangers = [
        Credentials::default(),
        Credentials::default().with(&registry.address, "tester", "guess"),
        Credentials::default().with("127.0.0.1", "tester", PASSWORD),
    ];
    for stranger in strangers.map(as_user) {
        assert_eq!(code(stranger.pull(&reference).await), "unauthorized");
        assert_eq!(code(stranger.push(&reference, &artifact).await), "unauthorized");
    }
}

#[tokio::test]
async fn tls_is_the_rule_and_a_private_authority_has_to_be_given() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let root = made.cert.pem();
    let registry = Real::start(&Wish { tls: Some((root.clone(), made.signing_key.serialize_pem())), ..Wish::default() });
    let (plugin, wasm) = ("echo".parse().unwrap(), component("secret"));
    let (reference, artifact) = (at(&registry, "echo:1"), Artifact { wasm: &wasm, plugin: &plugin, signature: None });
    let options = RegistryOptions { plain_http: PlainHttp::Only([].into()), ..RegistryOptions::default() };
    let private = Registry::new(RegistryOptions { extra_roots_pem: vec![root.into_bytes()], ..options.clone() });
    private.push(&reference, &artifact).await.unwrap();
    assert!(private.pull(&reference).await.unwrap().wasm == wasm);
    assert_eq!(code(Registry::new(options.clone()).pull(&reference).await), "unreachable");
    let nonsense = Registry::new(RegistryOptions { extra_roots_pem: vec![b"nonsense".to_vec()], ..options });
    assert!(["set-up", "unreachable"].contains(&code(nonsense.pull(&reference).await)));
}
