//! What an e-mail address may be: one plain address, so that it can stand in a header and in a
//! list of recipients (`a@evil@good` and its like are no addresses).

/// The address without the space around it; an empty one is none.
pub fn clean(address: Option<&str>) -> Result<Option<&str>, &'static str> {
    let Some(address) = address.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if address.len() > 254 {
        return Err("use at most 254 characters");
    }
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"()<>[]:;,\\\"".contains(&byte);
    let parts = address.split_once('@').filter(|(local, domain)| {
        !local.is_empty()
            && local.len() <= 64
            && !domain.contains('@')
            && domain.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            })
    });
    if parts.is_none() || !address.bytes().all(is_plain) {
        return Err("write one address as in name@example.com");
    }
    Ok(Some(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ghsa_c5c4_one_plain_address_or_none() {
        assert_eq!(clean(None), Ok(None));
        assert_eq!(clean(Some("  ")), Ok(None));
        let good = "a.b+c@mail.example.com";
        assert_eq!(clean(Some(&format!(" {good} "))), Ok(Some(good)));
        for bad in [
            "a",
            "a@",
            "@b",
            "a@evil@good",
            "a@evil.example@good.example",
            "@evil@good",
            "a@b\r\nBcc: c@d",
            "a b@c",
            "a@b,c@d",
            "<a@b>",
            "a@b..c",
            "\u{e9}@b",
        ] {
            assert!(clean(Some(bad)).is_err(), "{bad:?}");
        }
    }
}
