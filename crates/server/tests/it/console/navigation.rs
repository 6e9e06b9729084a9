//! The frame around every page.

use super::{Browser, Console};

/// Asks for every page that the navigation leads to; gives their paths.
async fn walked(browser: &Browser<'_>) -> Vec<String> {
    let page = browser.get("/console").await;
    let (_, rest) = page.body.split_once("<nav class=\"side\"").unwrap();
    let (side, _) = rest.split_once("</nav>").unwrap();
    let links: Vec<String> = side
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
        .collect();
    for link in &links {
        let answer = browser.get(link).await;
        assert_eq!(answer.status, 200, "{link}: {answer:?}");
        assert!(
            answer.body.contains("aria-current=\"page\""),
            "{link}: {answer:?}"
        );
        assert_eq!(answer.body.matches("<h1>").count(), 1, "{link}: {answer:?}");
    }
    links
}

testkit::on_each_engine! {
    async fn every_link_of_the_navigation_leads_to_a_page(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        let links = walked(&ada).await;
        for path in ["/console/usage", "/console/limits", "/console/audit", "/console/notices", "/console/settings", "/console/server"] {
            assert!(links.iter().any(|link| link == path), "{path}: {links:?}");
        }
        let eve = console.browser("eve@example.org", &["Viewer"]).await;
        walked(&eve).await;
        let zoe = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        let links = walked(&zoe).await;
        assert!(!links.iter().any(|link| link == "/console/server"), "{links:?}");
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(walked(&nobody).await, ["/console"]);
    }
}
