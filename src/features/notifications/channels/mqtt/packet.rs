//! The packets of MQTT 3.1.1 that publishing takes. Pure.

/// Longer answers are none of a broker's.
const MOST: usize = 256;

/// What a broker said to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not ready.
    Unavailable,
    /// Anything that stays as it is, in words.
    Lasting(&'static str),
}

/// Something that is not of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

fn text(into: &mut Vec<u8>, text: &[u8]) {
    // What is longer than this was refused before.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    into.extend(length.to_be_bytes());
    into.extend(&text[..usize::from(length)]);
}

fn packet(first: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = content.len();
    loop {
        let low = u8::try_from(rest % 128).unwrap_or_default();
        rest /= 128;
        bytes.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    bytes.extend(content);
    bytes
}

/// Says who is there, for a session that leaves nothing behind.
pub fn connect(client_id: &str, login: Option<(&str, &str)>) -> Vec<u8> {
    const CLEAN: u8 = 0x02;
    const PASSWORD: u8 = 0x40;
    const NAME: u8 = 0x80;
    const KEEP_ALIVE: u16 = 60;
    let mut content = Vec::new();
    text(&mut content, b"MQTT");
    content.push(4);
    let flags = match login {
        Some((_, "")) => CLEAN | NAME,
        Some(_) => CLEAN | NAME | PASSWORD,
        None => CLEAN,
    };
    content.push(flags);
    content.extend(KEEP_ALIVE.to_be_bytes());
    text(&mut content, client_id.as_bytes());
    if let Some((name, password)) = login {
        text(&mut content, name.as_bytes());
        if !password.is_empty() {
            text(&mut content, password.as_bytes());
        }
    }
    packet(0x10, &content)
}

/// Publishes; of a quality above 0, the broker answers with the id.
pub fn publish(topic: &str, payload: &[u8], qos: u8, id: u16, is_retained: bool) -> Vec<u8> {
    let mut content = Vec::new();
    text(&mut content, topic.as_bytes());
    if qos > 0 {
        content.extend(id.to_be_bytes());
    }
    content.extend(payload);
    packet(0x30 | (qos << 1) | u8::from(is_retained), &content)
}

/// Says that the broker may forget the id of a message that is to arrive once.
pub fn release(id: u16) -> Vec<u8> {
    packet(0x62, &id.to_be_bytes())
}

/// Leaves.
pub fn disconnect() -> Vec<u8> {
    packet(0xE0, &[])
}

/// How many bytes follow, given the bytes after the first; none if more of them are needed.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if length > MOST || index > 3 {
            return Err(Malformed);
        }
        if byte & 0x80 == 0 {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// Reads the answer to [`connect`].
pub fn connected(first: u8, content: &[u8]) -> Result<Result<(), Refusal>, Malformed> {
    let (0x20, [_, code]) = (first, content) else {
        return Err(Malformed);
    };
    Ok(match code {
        0 => Ok(()),
        1 => Err(Refusal::Lasting("it does not speak MQTT 3.1.1")),
        2 => Err(Refusal::Lasting("it does not take the client's id")),
        3 => Err(Refusal::Unavailable),
        4 => Err(Refusal::Lasting(
            "it does not take the name or the password",
        )),
        5 => Err(Refusal::Lasting("it does not let this client in")),
        _ => return Err(Malformed),
    })
}

/// What a broker says of a message of the first quality when it has it.
pub const CONFIRMED: u8 = 0x40;
/// What it says of one of the second.
pub const RECEIVED: u8 = 0x50;
/// And when it has forgotten that one's id.
pub const COMPLETE: u8 = 0x70;

/// Whether this says `what` about the message of that id.
pub fn is_about(what: u8, first: u8, content: &[u8], id: u16) -> bool {
    first == what && content == id.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_those_of_the_standard() {
        assert_eq!(
            connect("a", Some(("u", "p"))),
            b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01a\x00\x01u\x00\x01p"
        );
        assert_eq!(
            connect("a", None),
            b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"
        );
        assert_eq!(publish("t", b"x", 0, 7, true), b"\x31\x04\x00\x01tx");
        assert_eq!(
            publish("t", b"x", 1, 7, false),
            b"\x32\x06\x00\x01t\x00\x07x"
        );
        assert_eq!(publish("t", b"x", 2, 7, false)[0], 0x34);
        assert_eq!(release(7), b"\x62\x02\x00\x07");
        assert_eq!(disconnect(), b"\xe0\x00");
    }

    #[test]
    fn a_long_message_has_a_length_of_two_bytes() {
        let bytes = publish("t", &[b'x'; 200], 0, 1, false);
        assert_eq!(&bytes[..3], b"\x30\xcb\x01");
    }

    #[test]
    fn a_length_is_read_when_it_is_whole_and_refused_when_it_is_absurd() {
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&[0x80]), Ok(None));
        assert_eq!(length(&[0x80, 0x01]), Ok(Some(128)));
        assert_eq!(length(&[0xff, 0xff, 0xff, 0x7f]), Err(Malformed));
    }

    #[test]
    fn what_is_no_answer_to_connect_is_refused() {
        assert_eq!(connected(0x20, &[0, 0]), Ok(Ok(())));
        assert_eq!(connected(0x20, &[0, 3]), Ok(Err(Refusal::Unavailable)));
        assert_eq!(connected(0x20, &[0, 9]), Err(Malformed));
        assert_eq!(connected(0x40, &[0, 0]), Err(Malformed));
    }
}
