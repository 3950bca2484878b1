//! Which addresses may come in at all.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::RwLock;

/// Networks that may come in; with none listed, every address may.
///
/// Loopback is not special: a reverse proxy that is not listed as trusted makes everybody look
/// like loopback. Whoever is shut out runs `flowkeep admin clear-subnets` on the machine.
#[derive(Debug, Default)]
pub struct Rules {
    networks: Vec<IpNet>,
    is_restricted: bool,
}

impl Rules {
    /// Rules that let these networks in, and everybody unless `is_restricted`.
    pub fn new(networks: Vec<IpNet>, is_restricted: bool) -> Self {
        Self {
            networks,
            is_restricted,
        }
    }

    /// Whether this address may come in.
    pub fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        !self.is_restricted || self.networks.iter().any(|net| net.contains(&ip))
    }
}

/// The rules in force. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct AllowedSubnets(Arc<RwLock<Rules>>);

impl AllowedSubnets {
    /// Replaces the rules.
    pub fn set(&self, rules: Rules) {
        *self.0.write() = rules;
    }

    /// Whether this address may come in.
    pub fn allows(&self, ip: IpAddr) -> bool {
        self.0.read().allows(ip)
    }
}

/// Reads `10.0.0.0/8`, `fd00::/8` or a single address. Host bits are cut off and a network of
/// IPv4-mapped addresses becomes the IPv4 one, so that equal networks are written equally.
pub fn parse(text: &str) -> Result<IpNet, String> {
    const FORM: &str = "write a network as in 192.168.1.0/24 or fd00::/8, or one address";
    let text = text.trim();
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_| FORM.to_owned())?),
    };
    let net = match net {
        IpNet::V6(v6) => match v6.addr().to_ipv4_mapped() {
            Some(ip) if v6.prefix_len() >= 96 => {
                IpNet::new(IpAddr::V4(ip), v6.prefix_len() - 96).map_err(|_| FORM.to_owned())?
            }
            _ => net,
        },
        IpNet::V4(_) => net,
    };
    Ok(net.trunc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_are_written_in_one_way() {
        for (text, canonical) in [
            ("192.168.1.77/24", "192.168.1.0/24"),
            (" 10.0.0.1 ", "10.0.0.1/32"),
            ("fd00::1", "fd00::1/128"),
            ("FD00::5/8", "fd00::/8"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("::ffff:10.1.2.3", "10.1.2.3/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), canonical, "{text}");
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "lan",
            "10.0.0.0/-1",
            "fd00::/129",
            "1.2.3.4/8/8",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_list_lets_everybody_in_and_a_list_only_its_members() {
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(Rules::default().allows(of("203.0.113.1")));
        assert!(!Rules::new(Vec::new(), true).allows(of("203.0.113.1")));
        let list = vec![parse("10.0.0.0/8").unwrap(), parse("fd00::/8").unwrap()];
        let list = Rules::new(list, true);
        assert!(list.allows(of("10.255.0.1")));
        assert!(list.allows(of("::ffff:10.255.0.1")));
        assert!(list.allows(of("fd12::1")));
        assert!(!list.allows(of("11.0.0.1")));
        assert!(!list.allows(of("fe80::1")));
        assert!(!list.allows(of("127.0.0.1")));
    }

    proptest! {
        #[test]
        fn an_address_is_in_its_own_network(bits in any::<u32>(), prefix in 0_u8..=32) {
            let ip = IpAddr::V4(bits.into());
            let net = parse(&format!("{ip}/{prefix}")).unwrap();
            prop_assert!(Rules::new(vec![net], true).allows(ip));
            prop_assert_eq!(parse(&net.to_string()).unwrap(), net);
        }
    }
}
