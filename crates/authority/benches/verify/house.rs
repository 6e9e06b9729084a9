//! An authority on a fresh store, and keys in it.

use authority::catalog::Product;
use authority::keys::{CreateKey, Expiry, Issued, Outcome, Shown, Wish};
use authority::ports::{Clock, Entropy};
use authority::setup::SetUp;
use authority::tokens::TokenRequest;
use authority::{Authority, Caller, MasterKeys, Opening, Settings};
use credential::grant::Resources;
use credential::key::{Addresses, Kind};
use credential::limit::Limit;
use credential::name::{Comment, Name, ProductName};
use credential::organization::Email;
use credential::seal::MasterKey;
use credential::time::Span;
use store::{Store, args};
use testkit::Database;

/// What every key here may do, and every question asks.
pub(crate) const SCOPE: &str = "sample.orders:read";
/// Keys of one change.
const BATCH: usize = 1000;

pub(crate) struct House {
    pub(crate) authority: Authority,
    shell: Caller,
    _database: Database,
}

impl House {
    /// The feed is not read, as it is by a server's jobs; so the bound of its freshness is set far away.
    pub(crate) async fn build(clock: Clock) -> Self {
        let database = Database::sqlite();
        let settings = Settings {
            max_staleness: Span::from_days(1),
            // Room for a million in every shard of the keyring.
            keyring_capacity: 2_000_000,
            ..Settings::default()
        };
        let authority = Authority::open(Opening {
            store: Store::open(database.url()).await.unwrap(),
            master: MasterKeys {
                current: MasterKey::new([5; 32]),
                earlier: Vec::new(),
            },
            settings,
            products: Product::built_in().unwrap(),
            clock,
            entropy: Entropy::system(),
        })
        .await
        .unwrap();
        let token = authority.begin_setup().await.unwrap().unwrap();
        let set_up = SetUp {
            organization: Name::new("Harbour Books").unwrap(),
            email: Email::new("ada@harbour-books.example").unwrap(),
            name: Name::new("Ada Harbour").unwrap(),
        };
        let first = authority
            .complete_setup(token.expose(), set_up, None, "bench")
            .await
            .unwrap();
        Self {
            shell: Caller::shell(first.organization.id),
            authority,
            _database: database,
        }
    }

    /// The text that proves a new key.
    pub(crate) async fn key(&self, kind: Kind, limits: &[Limit]) -> String {
        shown(&self.issue(kind, limits).await)
    }

    /// The text of a key that was made here and is in no store.
    pub(crate) async fn lost_key(&self) -> String {
        let issued = self.issue(Kind::Static, &[]).await;
        let id = issued.key.id.to_string();
        let deleted = self
            .authority
            .store()
            .db()
            .write(move |tx| tx.execute("DELETE FROM api_key WHERE id = $1", args![&id]));
        assert_eq!(deleted.await.unwrap(), 1);
        shown(&issued)
    }

    /// The same of many static keys.
    pub(crate) async fn keys(&self, count: usize, limits: &[Limit]) -> Vec<String> {
        let mut texts = Vec::with_capacity(count);
        while texts.len() < count {
            let commands = (texts.len()..count)
                .take(BATCH)
                .map(|number| command(Kind::Static, &format!("key {number}"), limits))
                .collect();
            let made = self.authority.create_keys(&self.shell, commands).await;
            texts.extend(made.unwrap().issued.iter().map(shown));
        }
        texts
    }

    /// An access token of a new client.
    pub(crate) async fn access_token(&self) -> String {
        let issued = self.issue(Kind::Client, &[]).await;
        let Shown::Client {
            client_id,
            client_secret,
        } = &issued.shown
        else {
            panic!("not a client");
        };
        let request = TokenRequest {
            client_id,
            client_secret: client_secret.expose(),
            scopes: None,
            lenient: false,
            from: None,
            product: None,
            organization: None,
            request_id: "bench",
        };
        let subject = |_: &credential::key::Key, _: i64| "bench".to_owned();
        let issued = self.authority.issue_token(&request, subject).await.unwrap();
        let Ok(issued) = issued else {
            panic!("no token was issued");
        };
        issued.token.expose().to_owned()
    }

    async fn issue(&self, kind: Kind, limits: &[Limit]) -> Issued {
        let command = command(kind, "one of its kind", limits);
        let outcome = self
            .authority
            .create_key(&self.shell, command, None, |_| Vec::new());
        match outcome.await.unwrap() {
            Outcome::New(issued) => *issued,
            Outcome::Repeat(_) => panic!("nothing was repeated"),
        }
    }
}

fn command(kind: Kind, name: &str, limits: &[Limit]) -> CreateKey {
    CreateKey {
        organization: None,
        product: ProductName::new("sample").unwrap(),
        kind,
        name: Name::new(name).unwrap(),
        comment: Comment::new("").unwrap(),
        grants: Wish {
            roles: Vec::new(),
            scopes: vec![(SCOPE.to_owned(), Resources::All)],
        },
        addresses: Addresses::default(),
        limits: limits.to_vec(),
        expiry: Expiry::Never,
        owner: None,
    }
}

fn shown(issued: &Issued) -> String {
    match &issued.shown {
        Shown::Static { secret } => secret.expose().to_owned(),
        Shown::TokenPair { access_token, .. } => access_token.expose().to_owned(),
        Shown::Jwt { token, .. } => token.expose().to_owned(),
        Shown::Signed { .. } | Shown::Client { .. } => panic!("not a bearer credential"),
    }
}
