"""A throw-away Slurm on this machine: one node, two partitions, two counted GPUs; no systemd, cgroups or database.

Needs root and Debian's packages slurm-wlm and munge. Everything lies in one folder, but for links in /etc/slurm: the
executor's job steps drop SLURM_CONF, so that the configuration must stand where Slurm was built to look for it.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ETC = Path("/etc/slurm")
MEMORY_MB = 32000  # what the node says it has: nothing confines a job, so it need not be there
CREDENTIAL_SECONDS = 5  # a requeued job waits until its credential has expired: two minutes by default

CONFIGURATION = """
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={run}/munge.socket,cred_expire={credential}
CryptoType=crypto/munge
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SlurmctldPidFile={run}/slurmctld.pid
SlurmdPidFile={run}/slurmd.pid
SlurmctldLogFile={run}/slurmctld.log
SlurmdLogFile={run}/slurmd.log
StateSaveLocation={run}/state
SlurmdSpoolDir={run}/spool
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
MinJobAge=3600
KillWait=10
AccountingStorageType=accounting_storage/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:fake:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=accelerated Nodes={host} Default=NO MaxTime=60 State=UP
"""


class ThrowAwaySlurm:
    """`start` and `stop`. There is no accounting, and squeue knows every job of the last hour.

    cores: how many the node says it has, which may be more than there are.
    """

    def __init__(self, cores=8):
        self.folder, self.cores = Path(tempfile.mkdtemp(prefix="slurm-")), cores
        self.host = socket.gethostname().partition(".")[0]
        self.replaced, self.daemons = [], []

    @property
    def counted_devices(self):
        """Whether the GPUs are device files: only then does Slurm tell a job which one it has."""
        return (self.folder / "gpu0").is_char_device()

    def start(self):
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)  # munge wants its socket where everyone can reach it
        for index in range(2):
            self._counted_gpu(self.folder / f"gpu{index}")
        settings = CONFIGURATION.format(
            host=self.host,
            run=self.folder,
            cores=self.cores,
            memory=MEMORY_MB,
            credential=CREDENTIAL_SECONDS,
        )
        gpus = f"NodeName={self.host} Name=gpu Type=fake Count=2 File={self.folder}/gpu[0-1]\n"
        for name, text in (("slurm.conf", settings), ("gres.conf", gpus), ("cgroup.conf", "CgroupPlugin=autodetect\n")):
            (self.folder / name).write_text(text)
            self._link(name)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        options = [f"--{kind}-file={self.folder}/munge.{kind}" for kind in ("key", "pid", "log", "seed")]
        options.append(f"--socket={self.folder}/munge.socket")
        self._daemon(["munged", "--force", "--foreground", *options])
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._daemon(["slurmctld", "-D"])
        self._wait(lambda: _succeeds("scontrol", "ping"), "slurmctld")
        self._daemon(["slurmd", "-D", "-N", self.host])
        self._wait(lambda: "idle" in _output("sinfo", "--noheader", "--format=%T"), "slurmd")
        return self

    def stop(self):
        """Cancel what still runs, end the three daemons, put /etc/slurm back."""
        if len(self.daemons) == 3:
            subprocess.run(["scancel", "--full", "--user=root"], check=False, capture_output=True)
            try:
                self._wait(lambda: not _output("squeue", "--noheader"), "the last jobs", 20)
            except RuntimeError as error:
                print(error)
        for process in reversed(self.daemons):
            process.terminate()
        for process in reversed(self.daemons):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        for link, before in reversed(self.replaced):
            link.unlink(missing_ok=True)
            if before is not None:
                before.rename(link)
        if ETC.is_dir() and not any(ETC.iterdir()):
            ETC.rmdir()
        shutil.rmtree(self.folder)

    def _counted_gpu(self, path):
        """A device file of our own, with the numbers of /dev/null: Slurm counts it and nobody opens it."""
        try:
            os.mknod(path, 0o20666, os.makedev(1, 3))
        except PermissionError:  # a container without the right: Slurm counts plain files too
            path.touch()

    def _link(self, name):
        ETC.mkdir(exist_ok=True)
        link, before = ETC / name, None
        if link.exists() or link.is_symlink():
            before = link.with_name(f"{name}.before-throwaway")
            link.rename(before)
        link.symlink_to(self.folder / name)
        self.replaced.append((link, before))

    def _daemon(self, command):
        with open(self.folder / f"{command[0]}.out", "w") as log:
            self.daemons.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    def _wait(self, ready, what, seconds=30):
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end or (self.daemons and self.daemons[-1].poll() is not None):
                said = "".join(path.read_text()[-1500:] for path in sorted(self.folder.glob("*.out")))
                raise RuntimeError(f"the throw-away Slurm waits for {what} in vain: {said}")
            time.sleep(0.1)


def why_not():
    """Why a Slurm cannot be started here, or None."""
    if os.geteuid() != 0:
        return "the throw-away Slurm needs root"
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not found; make test-slurm installs them (Debian: slurm-wlm, munge)"
    return None


def _succeeds(*command):
    return subprocess.run(command, capture_output=True).returncode == 0


def _output(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout
