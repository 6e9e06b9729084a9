use super::*;

#[test]
fn addresses_admit_what_they_list() {
    let cases: [(&[&str], Option<&str>, bool); 14] = [
        (&[], Some("203.0.113.9"), true),
        (&[], None, true),
        (&["192.0.2.1"], None, false),
        (&["192.0.2.1"], Some("192.0.2.1"), true),
        (&["192.0.2.1"], Some("192.0.2.2"), false),
        (&["192.0.2.1"], Some("::ffff:192.0.2.1"), true),
        (&["::ffff:192.0.2.1"], Some("192.0.2.1"), true),
        (&["::ffff:192.0.2.0/120"], Some("192.0.2.77"), true),
        (&["::ffff:192.0.2.0/120"], Some("192.0.3.1"), false),
        (&["192.0.2.0/24"], Some("192.0.2.255"), true),
        (&["192.0.2.77/24"], Some("192.0.2.1"), true),
        (&["0.0.0.0/0"], Some("2001:db8::1"), false),
        (
            &["2001:db8::/32", "192.0.2.1"],
            Some("2001:db8:ffff::1"),
            true,
        ),
        (&["2001:db8::/32", "192.0.2.1"], Some("2001:db9::1"), false),
    ];
    for (list, from, admitted) in cases {
        let from = from.map(|ip| ip.parse().unwrap());
        assert_eq!(
            addresses(list).admit(from),
            admitted,
            "{list:?} from {from:?}"
        );
    }
}

#[test]
fn addresses_are_networks_and_not_too_many() {
    for bad in [
        "",
        "x",
        "192.0.2.256",
        "192.0.2.0/33",
        "example.com",
        "192.0.2.1-9",
    ] {
        assert_eq!(
            Addresses::parse([bad]),
            Err(BadAddresses::NotANetwork(bad.to_owned()))
        );
    }
    let many = |count: usize| {
        Addresses::parse((0..count).map(|n| format!("10.0.{}.{}", n / 256, n % 256)))
    };
    assert!(many(Addresses::MAX).is_ok());
    assert_eq!(many(Addresses::MAX + 1), Err(BadAddresses::TooMany));
    assert_eq!(
        addresses(&["10.0.0.1", "10.0.0.1/32", " 10.0.0.1 "])
            .networks()
            .len(),
        1
    );
}

#[test]
fn a_narrower_list_of_addresses_is_within_a_wider_one() {
    let cases: [(&[&str], &[&str], bool); 6] = [
        (&[], &[], true),
        (&["10.0.0.1"], &[], true),
        (&[], &["10.0.0.0/8"], false),
        (&["10.1.0.0/16"], &["10.0.0.0/8"], true),
        (&["10.0.0.0/8"], &["10.1.0.0/16"], false),
        (&["10.1.0.0/16", "192.0.2.1"], &["10.0.0.0/8"], false),
    ];
    for (mine, theirs, within) in cases {
        assert_eq!(
            addresses(mine).within(&addresses(theirs)),
            within,
            "{mine:?} within {theirs:?}"
        );
    }
}

fn addresses(list: &[&str]) -> Addresses {
    Addresses::parse(list).unwrap()
}
