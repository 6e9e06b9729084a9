//! One authority, or several on one store, with a clock held in hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use authority::catalog::{BUILT_IN, Product};
use authority::keys::{CreateKey, Expiry, Issued, Outcome, Shown, Wish};
use authority::ports::{Clock, Entropy};
use authority::settings::PasswordCost;
use authority::verify::{Answer, Presented, Question};
use authority::{Authority, Caller, Failure, MasterKeys, Opening, Settings};
use credential::event::{Action, Actor};
use credential::grant::Resources;
use credential::id::OrganizationId;
use credential::key::{Addresses, Denial, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::{Organization, OrganizationKind};
use credential::scope::Scope;
use credential::seal::MasterKey;
use credential::time::{Instant, Span};
use store::Store;
use testkit::Database;

pub(crate) const START: i64 = 1_800_000_000_000;

/// An authority and the hands that hold its clock.
pub(crate) struct Rig {
    pub(crate) authority: Authority,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) organization: OrganizationId,
}

impl Rig {
    /// The first authority on a fresh database, with one organization.
    pub(crate) async fn open(database: &Database) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let authority = authority_on(database, Arc::clone(&clock), 1).await;
        Self::with(authority, clock).await
    }

    /// The first authority on a fresh database whose product `sample` gives opaque access tokens.
    pub(crate) async fn opaque(database: &Database) -> Self {
        Self::altered(database, "token_type = \"jwt\"", "token_type = \"opaque\"").await
    }

    /// The first authority on a fresh database whose product `sample` says something else in one place.
    pub(crate) async fn altered(database: &Database, place: &str, instead: &str) -> Self {
        Self::altered_in(database, "demo.toml", place, instead).await
    }

    /// The same for the catalog in a file.
    pub(crate) async fn altered_in(
        database: &Database,
        altered: &str,
        place: &str,
        instead: &str,
    ) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let product = |(file, text): &(&str, &str)| {
            let text = if *file == altered {
                assert!(text.contains(place));
                text.replace(place, instead)
            } else {
                (*text).to_owned()
            };
            Product::parse(file, &text).unwrap()
        };
        let opening = Opening {
            products: BUILT_IN.iter().map(product).collect(),
            ..opening(
                Store::open(database.url()).await.unwrap(),
                Arc::clone(&clock),
                1,
                [5; 32],
                Settings::default(),
            )
        };
        Self::with(Authority::open(opening).await.unwrap(), clock).await
    }

    async fn with(authority: Authority, clock: Arc<AtomicI64>) -> Self {
        let organization = OrganizationId::mint(Instant::from_millis(START), [7; 16]);
        let new = Organization {
            id: organization,
            number: 1,
            name: Name::new("Acme").unwrap(),
            kind: OrganizationKind::Standalone,
            parent: None,
            active: true,
            created_at: Instant::from_millis(START),
            version: 1,
        };
        authority
            .store()
            .change(
                Actor::SYSTEM,
                Instant::from_millis(START),
                |_| Ok::<(), Failure>(()),
                move |change| {
                    let new = Organization {
                        number: change.next_number("organization")?,
                        ..new.clone()
                    };
                    Ok(change.insert_organization(&new, Action::OrganizationCreated, "{}")?)
                },
            )
            .await
            .unwrap();
        authority.poll().await.unwrap();
        Self {
            authority,
            clock,
            organization,
        }
    }

    /// Another process on the same database.
    pub(crate) async fn another(&self, database: &Database) -> Authority {
        authority_on(database, Arc::clone(&self.clock), 2).await
    }

    pub(crate) fn shell(&self) -> Caller {
        Caller::shell(self.organization)
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_millis(self.clock.load(Ordering::SeqCst))
    }

    /// Lets time pass, and the feed be read after it.
    pub(crate) async fn pass(&self, span: Span) {
        self.clock.fetch_add(span.millis(), Ordering::SeqCst);
        self.authority.poll().await.unwrap();
    }

    pub(crate) async fn create(&self, kind: Kind, name: &str, scopes: &[&str]) -> Issued {
        self.create_with(self.command(kind, name, scopes))
            .await
            .unwrap()
    }

    pub(crate) fn command(&self, kind: Kind, name: &str, scopes: &[&str]) -> CreateKey {
        CreateKey {
            organization: None,
            product: ProductName::new("sample").unwrap(),
            kind,
            name: Name::new(name).unwrap(),
            comment: Comment::new("").unwrap(),
            grants: Wish {
                roles: Vec::new(),
                scopes: scopes
                    .iter()
                    .map(|scope| ((*scope).to_owned(), Resources::All))
                    .collect(),
            },
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry: Expiry::Never,
            owner: None,
        }
    }

    pub(crate) async fn create_with(&self, command: CreateKey) -> Result<Issued, Failure> {
        self.create_as(&self.shell(), command).await
    }

    pub(crate) async fn create_as(
        &self,
        caller: &Caller,
        command: CreateKey,
    ) -> Result<Issued, Failure> {
        match self
            .authority
            .create_key(caller, command, None, |_| Vec::new())
            .await?
        {
            Outcome::New(issued) => Ok(*issued),
            Outcome::Repeat(_) => panic!("nothing was repeated"),
        }
    }

    /// A caller of the native API with these scopes of product `latchkey`.
    pub(crate) async fn admin(&self, scopes: &[&str]) -> Caller {
        let command = CreateKey {
            product: ProductName::new("latchkey").unwrap(),
            ..self.command(Kind::Static, "admin", scopes)
        };
        let issued = self.create_with(command).await.unwrap();
        let question = Question::bearer(secret(&issued));
        self.authority.caller(&question, "request").await.unwrap().0
    }
}

pub(crate) async fn authority_on(
    database: &Database,
    clock: Arc<AtomicI64>,
    seed: u64,
) -> Authority {
    let store = Store::open(database.url()).await.unwrap();
    open(store, clock, seed, [5; 32]).await.unwrap()
}

pub(crate) async fn open(
    store: Store,
    clock: Arc<AtomicI64>,
    seed: u64,
    master: [u8; 32],
) -> Result<Authority, authority::OpenError> {
    open_with(store, clock, seed, master, Settings::default()).await
}

pub(crate) async fn open_with(
    store: Store,
    clock: Arc<AtomicI64>,
    seed: u64,
    master: [u8; 32],
    settings: Settings,
) -> Result<Authority, authority::OpenError> {
    Authority::open(opening(store, clock, seed, master, settings)).await
}

fn opening(
    store: Store,
    clock: Arc<AtomicI64>,
    seed: u64,
    master: [u8; 32],
    settings: Settings,
) -> Opening {
    Opening {
        store,
        master: MasterKeys {
            current: MasterKey::new(master),
            earlier: Vec::new(),
        },
        settings: Settings {
            password_cost: PasswordCost::FOR_TESTS,
            ..settings
        },
        products: Product::built_in().unwrap(),
        clock: Clock::held(clock),
        entropy: Entropy::seeded(seed),
    }
}

/// The one string that is shown of a static key.
pub(crate) fn secret(issued: &Issued) -> &str {
    match &issued.shown {
        Shown::Static { secret } => secret.expose(),
        _ => panic!("not a static key"),
    }
}

pub(crate) async fn ask(
    authority: &Authority,
    credential: &str,
    scopes: &[&str],
) -> Result<(), Denial> {
    let scopes: Vec<Scope> = scopes
        .iter()
        .map(|scope| Scope::new(scope).unwrap())
        .collect();
    let question = Question {
        scopes: &scopes,
        ..Question::bearer(credential)
    };
    verdict(authority.verify(&question).await.unwrap())
}

pub(crate) async fn ask_pair(authority: &Authority, id: &str, secret: &str) -> Result<(), Denial> {
    let question = Question {
        credential: Presented::Pair { id, secret },
        ..Question::bearer("")
    };
    verdict(authority.verify(&question).await.unwrap())
}

fn verdict(answer: Answer) -> Result<(), Denial> {
    answer.verdict.map(drop)
}

/// Lets another replica follow the feed, as its job does, until something is done.
pub(crate) async fn follow_until<T>(other: &Authority, done: impl Future<Output = T>) -> T {
    let follow = async {
        loop {
            other.poll().await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { value = done => value, () = follow => unreachable!("following does not end") }
}
