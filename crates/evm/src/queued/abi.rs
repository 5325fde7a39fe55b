//! What timelocks and governors say and are told, by the interfaces that others copy.
//!
//! An event is a claim of the contract that emits it: whether anything can come of it shows only when it is tried.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "expanded by `sol!`; the contracts' own documentation describes the interfaces"
)]

use alloy_sol_types::sol;

sol! {
    // OpenZeppelin TimelockController
    event CallScheduled(
        bytes32 indexed id,
        uint256 indexed index,
        address target,
        uint256 value,
        bytes data,
        bytes32 predecessor,
        uint256 delay
    );
    event CallSalt(bytes32 indexed id, bytes32 salt);
    event CallExecuted(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data);
    event Cancelled(bytes32 indexed id);
    function schedule(
        address target,
        uint256 value,
        bytes data,
        bytes32 predecessor,
        bytes32 salt,
        uint256 delay
    ) external;
    function scheduleBatch(
        address[] targets,
        uint256[] values,
        bytes[] payloads,
        bytes32 predecessor,
        bytes32 salt,
        uint256 delay
    ) external;
    function execute(
        address target,
        uint256 value,
        bytes payload,
        bytes32 predecessor,
        bytes32 salt
    ) external payable;
    function executeBatch(
        address[] targets,
        uint256[] values,
        bytes[] payloads,
        bytes32 predecessor,
        bytes32 salt
    ) external payable;

    // Compound Timelock
    event QueueTransaction(
        bytes32 indexed txHash,
        address indexed target,
        uint256 value,
        string signature,
        bytes data,
        uint256 eta
    );
    event ExecuteTransaction(
        bytes32 indexed txHash,
        address indexed target,
        uint256 value,
        string signature,
        bytes data,
        uint256 eta
    );
    event CancelTransaction(
        bytes32 indexed txHash,
        address indexed target,
        uint256 value,
        string signature,
        bytes data,
        uint256 eta
    );
    function executeTransaction(
        address target,
        uint256 value,
        string signature,
        bytes data,
        uint256 eta
    ) external payable returns (bytes);

    // Governors of OpenZeppelin and Compound
    event ProposalCreated(
        uint256 proposalId,
        address proposer,
        address[] targets,
        uint256[] values,
        string[] signatures,
        bytes[] calldatas,
        uint256 voteStart,
        uint256 voteEnd,
        string description
    );
    event ProposalQueued(uint256 proposalId, uint256 eta);
    event ProposalExecuted(uint256 proposalId);
    event ProposalCanceled(uint256 proposalId);
    function timelock() external view returns (address);
}
