//! The trace route over a real router of this machine's kernel, without any capability.

use tokio::process::Command;
use zohorelay_tests::sidecar::program;

/// The client, a router and a server, a network namespace each; they end with the shell. Nobody listens
/// at the server, which refuses: that too is an answer.
const NETWORK: &str = r"
mount -t tmpfs none /run
for name in router server; do ip netns add $name; done
ip link set lo up
ip link add c0 type veth peer name r0 netns router
ip -n router link add r1 type veth peer name s0 netns server
ip addr add 10.1.1.2/24 dev c0;           ip addr add fd01::2/64 dev c0 nodad
ip -n router addr add 10.1.1.1/24 dev r0; ip -n router addr add fd01::1/64 dev r0 nodad
ip -n router addr add 10.1.2.1/24 dev r1; ip -n router addr add fd02::1/64 dev r1 nodad
ip -n server addr add 10.1.2.2/24 dev s0; ip -n server addr add fd02::2/64 dev s0 nodad
ip link set c0 up; ip -n router link set r0 up; ip -n router link set r1 up; ip -n server link set s0 up
ip route add default via 10.1.1.1;           ip route add default via fd01::1
ip -n server route add default via 10.1.2.1; ip -n server route add default via fd02::1
ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
for host in 10.1.2.2 fd02::2; do
  setpriv --bounding-set=-all --inh-caps=-all --no-new-privs $0 doctor --host $host --details || test $? = 12
done
";

#[tokio::test]
async fn each_router_on_the_way_is_named_without_privileges_over_ipv4_and_ipv6() {
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-ec", NETWORK])
        .arg(program())
        .output()
        .await
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    if error.contains("unshare failed") || error.contains("ip: not found") {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must run this as root, with iproute2"
        );
        eprintln!("LEFT OUT: only root, with iproute2, may make a network of its own");
        return;
    }
    assert!(output.status.success(), "{told}{error}");
    for hop in ["10.1.1.1", "fd01::1"] {
        let words = format!("hop1: {hop}, ");
        let line = told.lines().find(|line| line.contains(&words));
        assert!(
            line.is_some_and(|line| line.ends_with("(by ICMP)")),
            "{hop}: {told}"
        );
    }
    assert_eq!(told.matches("the server is hop 2").count(), 2, "{told}");
}
