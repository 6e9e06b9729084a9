//! `/console/limits`

use authority::Caller;
use authority::keys::{CreateKey, Expiry, Wish};
use credential::grant::Resources;
use credential::key::{Addresses, Kind};
use credential::limit::Limit;
use credential::name::{Comment, Name, ProductName};
use credential::time::Span;

use super::Console;

const PAGE: &str = "/console/limits";

testkit::on_each_engine! {
    async fn the_limits_of_products_and_of_keys_are_told(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        console.house.key(console.own, "sample", Kind::Static, "Nightly", &["sample.orders:read"]).await;
        let shown = ada.get(PAGE).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        for product in console.house.authority.world().products() {
            assert!(shown.body.contains(&product.title), "{}: {shown:?}", product.title);
            for limit in &product.limits {
                assert!(shown.body.contains(&limit.name), "{}: {shown:?}", limit.name);
                let told = format!("{} in ", limit.windows[0].quota());
                assert!(shown.body.contains(&told), "{told}: {shown:?}");
            }
        }
        assert!(shown.body.contains("None: the limits of their products are theirs.") && !shown.body.contains("Nightly"), "{shown:?}");
        let command = CreateKey {
            organization: None,
            product: ProductName::new("sample").unwrap(),
            kind: Kind::Static,
            name: Name::new("Hurried").unwrap(),
            comment: Comment::default(),
            grants: Wish { roles: Vec::new(), scopes: vec![("sample.orders:read".to_owned(), Resources::All)] },
            addresses: Addresses::default(),
            limits: vec![Limit::new("slow", 12, Span::from_minutes(90)).unwrap()],
            expiry: Expiry::Default,
            owner: None,
        };
        let shell = Caller::shell(console.own);
        console.house.authority.create_key(&shell, command, None, |_| Vec::new()).await.unwrap();
        let own = ada.get(PAGE).await;
        assert!(own.body.contains(">Hurried</a>") && own.body.contains("12 in 90 minutes") && !own.body.contains("Nightly"), "{own:?}");
        let zoe = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        assert!(!zoe.get(PAGE).await.body.contains("Hurried"));
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get(PAGE).await.status, 403);
    }
}
