//! Whom we believe to be the server (`docs/proof.md` U17, U18).

use std::sync::Arc;

use zohorelay_upstream::{Class, Pool, Stage};

use crate::authority::{Presented, server};
use crate::script::{ACCEPT, Close, ENVELOPE, LOGIN, STARTTLS, Say, Tls};
use crate::world::{Gate, World, target};

#[tokio::test(start_paused = true)]
async fn u17_a_certificate_that_does_not_prove_the_host_gets_no_login() {
    for presented in [
        Presented::SelfSigned,
        Presented::UnknownRoot,
        Presented::OtherName,
        Presented::Expired,
        Presented::NameInCommonNameOnly,
        Presented::AddressOnly,
        Presented::WildcardTwoLevelsUp,
        Presented::ForClients,
    ] {
        let name = format!("{presented:?}");
        let tls = server(presented);
        let world = World::with("ImplicitTls", Arc::clone(&tls), vec![vec![Tls]]);
        world.fails(&name, Class::Tls, Stage::Tls).await;
        assert_eq!(world.seen().lines, Vec::<String>::new(), "{name}");
        assert_eq!(world.logins(), [], "{name}");

        let script = [STARTTLS, &[Say("220 go\r\n"), Tls]].concat();
        let world = World::with("StartTls", tls, vec![script]);
        world.fails(&name, Class::Tls, Stage::Tls).await;
        assert_eq!(world.logins(), [], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn u18_a_session_is_resumed_by_its_own_identity_and_by_no_other() {
    let script = [LOGIN, ENVELOPE, ACCEPT, &[Close]].concat();
    let mut world = World::new(vec![script; 3]);
    world.deliver().await.unwrap();
    world.settle().await;
    world.deliver().await.unwrap();
    world.settle().await;
    assert_eq!((world.seen().dials, world.seen().resumed), (2, 1));

    let other = target("ImplicitTls", &world.server);
    world.pool = Pool::new(other, 1, Arc::new(Gate::default()));
    world.deliver().await.unwrap();
    assert_eq!((world.seen().dials, world.seen().resumed), (3, 1));
}
