"""The closed sets of reasons for which the server says no (contract §2.5, §2.7), and the words it says it in."""

from enum import StrEnum

import msgspec


class Rule(StrEnum):
    """A privacy rule's code, as the 403 shows it; `privacy.catalogue` says which is proved and which tested."""

    UNKNOWN_FIELD = "unknown_field"
    DEVICE_MISMATCH = "device_mismatch"
    STALE_GRAPH = "stale_graph"
    FUTURE_GRAPH = "future_graph"
    FUTURE_NODE = "future_node"
    NODE_COUNT = "node_count"
    NODES_EXCEED_TOTAL = "nodes_exceed_total"
    NOT_A_UUID = "not_a_uuid"
    NOT_IN_SET = "not_in_set"
    OUT_OF_RANGE = "out_of_range"
    OFF_GRID = "off_grid"
    FOLLOW_UP_WITHOUT_CONTINUATION = "follow_up_without_continuation"
    NO_NOISE = "no_noise"
    NO_TIME_SHIFT = "no_time_shift"
    NO_SAMPLING = "no_sampling"
    COHORT_REFUSED = "cohort_refused"


class Violation(msgspec.Struct, frozen=True):
    """A broken rule and the path of the field that broke it; never a value."""

    rule: Rule
    field: str


class Refusal(StrEnum):
    """Why a request was refused; the counter's reason. A 403 is counted under its first rule's code instead."""

    BODY_TOO_LARGE = "body_too_large"
    MALFORMED_BODY = "malformed_body"
    UNKNOWN_DEVICE = "unknown_device"
    WRONG_SIGNATURE = "wrong_signature"
    DECRYPTION_FAILED = "decryption_failed"
    MALFORMED_GRAPH = "malformed_graph"
    BUDGET_SPENT = "budget_spent"
    TOO_FAST = "too_fast"
    STORE_UNREACHABLE = "store_unreachable"
    UNKNOWN_SERVER_KEY = "unknown_server_key"
    WRAPPED_KEY_DOES_NOT_OPEN = "wrapped_key_does_not_open"
    OTHER_KEY_ENROLLED = "other_key_enrolled"
    FORMER_KEY = "former_key"
    STALE_WITHDRAWAL = "stale_withdrawal"
    ATTESTATION_MISSING = "attestation_missing"
    ATTESTATION_MALFORMED = "attestation_malformed"
    ATTESTATION_UNTRUSTED = "attestation_untrusted"
    ATTESTATION_NOT_BOUND = "attestation_not_bound"
    ATTESTATION_OTHER_KEY = "attestation_other_key"
    ATTESTATION_OTHER_APP = "attestation_other_app"
    ATTESTATION_KEY_USED = "attestation_key_used"
    ATTESTATION_OTHER_ENVIRONMENT = "attestation_other_environment"
