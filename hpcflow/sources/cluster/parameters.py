"""What is inferred of a star cluster, what is given of it, and how its fluxes scale."""

from hpcflow.model.scale import Given, Scale
from hpcflow.sources.source import Declared

__all__ = [
    "CHANCE",
    "COVERING_FACTOR",
    "DISTANCE",
    "EBV",
    "LOG_AGE",
    "LOG_MASS",
    "LOG_U",
    "METALLICITY",
    "PARAMETERS",
    "REALISATION",
    "R_V",
    "SCALE",
]

LOG_AGE, LOG_MASS, EBV, R_V, METALLICITY = "log_age", "log_mass", "ebv", "r_v", "metallicity"
COVERING_FACTOR, LOG_U, REALISATION = "covering_factor", "log_u", "realisation"

PARAMETERS = (
    Declared(
        LOG_AGE,
        6.0,
        10.1383,
        "dex(yr)",
        long_name="log10 of the age",
        label=r"log$_{10}$(age / yr)",
        short="log age",
        sensible=(3, 11),
        close=0.3,
        edges=(7.0, 8.0, 9.0),
    ),
    Declared(
        LOG_MASS,
        2.0,
        8.0,
        "dex(solMass)",
        long_name="log10 of the mass formed",
        label=r"log$_{10}$(mass / M$_\odot$)",
        short="log mass",
        sensible=(-5, 20),
        close=0.3,
    ),
    Declared(
        EBV,
        0.0,
        1.5,
        "mag",
        long_name="reddening",
        label=r"$E(B-V)$ / mag",
        short="$E(B-V)$",
        symbol="E(B-V)",
        sensible=(0, 50),
        close=0.1,
        edges=(0.1, 0.3, 0.7),
    ),
    Declared(
        R_V,
        2.0,
        6.0,
        long_name="ratio of extinction to reddening",
        label="$R_V$",
        short="$R_V$",
        sensible=(0.1, 50),
        fixed=3.1,
    ),
    Declared(
        METALLICITY,
        1e-3,
        0.03,
        scale="log",
        long_name="mass fraction of metals",
        label="metallicity $Z$",
        short="$Z$",
        sensible=(1e-6, 0.9),
        fixed=0.02,
    ),
    Declared(
        COVERING_FACTOR,
        0.0,
        1.0,
        long_name="share of the ionising light that gas absorbs",
        label="covering factor",
        short="$f_c$",
        sensible=(0, 1),
        fixed=0.0,
        optional=True,
    ),
    Declared(
        LOG_U,
        -4.0,
        -1.0,
        long_name="log10 of the ionisation parameter",
        label=r"log$_{10}$ $U$",
        short=r"log $U$",
        symbol="log U",
        sensible=(-4, -1),
        fixed=-3.0,
        optional=True,
    ),
)
CHANCE = Declared(REALISATION, 0.0, 1.0, long_name="which stars a cluster happens to have", sensible=(0, 1))
DISTANCE = Given(
    "distance", 1.0, 30.0, "Mpc", "assumed distance", reference=1e-5, falls=2, dex=True, edges=(5.0, 10.0, 20.0)
)
SCALE = Scale(LOG_MASS, (DISTANCE,))  # simulated at 10 pc, per solar mass formed
