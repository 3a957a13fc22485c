//! Which addresses lead to the open Internet, and which may lead into the operator's own house (IANA's special-purpose registries).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not reached without the operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Special {
    /// In words, for the operator's log.
    pub(super) what: &'static str,
    /// The network to permit, if it is wanted.
    pub(super) network: IpNet,
}

/// Metadata services hand out the machine's own credentials. Only a rule for that very address permits them, no wider network. They are link-local, in
/// private space, or (Azure's) in the open.
const METADATA: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

const SPECIAL_V4: [(Ipv4Net, &str); 15] = [
    (v4([0, 0, 0, 0], 8), "this network"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "shared by a carrier's NAT"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "protocol assignments"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "6to4 relay"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmark"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
];

/// Only 2000::/3 is global unicast; the rest needs no list of its own but for the sake of the words.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

const SPECIAL_V6: [(Ipv6Net, &str); 8] = [
    (v6([0x2001, 0, 0], 23), "protocol assignments"),
    (v6([0x2001, 0xdb8, 0], 32), "documentation"),
    (v6([0x3fff, 0, 0], 20), "documentation"),
    (v6([0xfc00, 0, 0], 7), "private"),
    (v6([0xfe80, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0], 8), "multicast"),
    (v6([0, 0, 0], 127), "loopback or unspecified"),
];

/// None where `address` may be reached: it is of the open Internet, or one of the operator's `networks` holds it.
pub(super) fn refused(address: IpAddr, networks: &[IpNet]) -> Option<Special> {
    let IpAddr::V6(outer) = address else { return judge(address, networks) };
    let mut inside = embedded(outer).into_iter().flatten().peekable();
    if inside.peek().is_none() {
        return judge(address, networks);
    }
    // An IPv4 address in the clothes of IPv6: refused as it stands, and once permitted no way around the list of IPv4.
    let told = networks.iter().any(|network| network.contains(&address));
    let wrapped = Special { what: "IPv4 in IPv6", network: address.into() };
    inside.map(IpAddr::V4).find_map(|inner| {
        let named = networks.iter().any(|network| network.contains(&inner));
        judge(inner, networks).or((!told && !named).then_some(wrapped))
    })
}

fn judge(address: IpAddr, networks: &[IpNet]) -> Option<Special> {
    if METADATA.contains(&address) {
        let exact = IpNet::from(address);
        return (!networks.contains(&exact)).then_some(Special { what: "a metadata service", network: exact });
    }
    let special = special(address)?;
    (!networks.iter().any(|network| network.contains(&address))).then_some(special)
}

fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => {
            let (network, what) = SPECIAL_V4.iter().find(|(network, _)| network.contains(&address))?;
            Some(Special { what, network: (*network).into() })
        }
        IpAddr::V6(address) => match SPECIAL_V6.iter().find(|(network, _)| network.contains(&address)) {
            Some((network, what)) => Some(Special { what, network: (*network).into() }),
            None if GLOBAL_V6.contains(&address) => None,
            None => Some(Special { what: "not of the open Internet", network: IpNet::from(IpAddr::V6(address)) }),
        },
    }
}

/// The IPv4 addresses that an IPv6 address may stand for: packets for it end there.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let octets = address.octets();
    let at = |start: usize| Some(Ipv4Addr::new(octets[start], octets[start + 1], octets[start + 2], octets[start + 3]));
    match address.segments() {
        // Unspecified and loopback are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        // Compatible and mapped (RFC 4291 2.5.5), and translated (RFC 2765).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [at(12), None],
        // NAT64 by the well-known prefix (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [at(12), None],
        // NAT64 for local use (RFC 8215): the operator's prefix has 96 bits or only these 48, and then a gap in the address.
        [0x64, 0xff9b, 1, ..] => {
            let gapped = Ipv4Addr::new(octets[6], octets[7], octets[9], octets[10]);
            [at(12), Some(gapped)].map(|address| address.filter(|address| !address.is_unspecified()))
        }
        // 6to4 (RFC 3056).
        [0x2002, ..] => [at(2), None],
        // Teredo (RFC 4380): the server, and the client inverted.
        [0x2001, 0, ..] => [at(4), at(12).map(|inverted| Ipv4Addr::from_bits(!inverted.to_bits()))],
        // ISATAP (RFC 5214), under any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => [at(12), None],
        _ => [None, None],
    }
}

const fn v4(octets: [u8; 4], bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]), bits)
}

const fn v6(first: [u16; 3], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first[0], first[1], first[2], 0, 0, 0, 0, 0), bits)
}
