// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title OpenZeppelin's timelock with one function more.
/// @notice WRITTEN FOR DRILLS. The flaw: `executeUrgent` waits for nobody, and a proposer may call it.
contract ZooTimelock is TimelockController {
    constructor(uint256 delay, address[] memory proposers, address[] memory executors, address admin)
        TimelockController(delay, proposers, executors, admin)
    {}

    /// @notice Calls `target` at once.
    function executeUrgent(address target, bytes calldata data) external onlyRole(PROPOSER_ROLE) {
        Address.functionCall(target, data);
    }
}

/// @title Holds what the protocol owns; its owner, a timelock, decides.
/// @notice WRITTEN FOR DRILLS. Sound.
contract ZooTreasury is Ownable {
    using SafeERC20 for IERC20;

    constructor(address owner_) Ownable(owner_) {}

    /// @notice Pays `amount` of `token` to `to`.
    function pay(IERC20 token, address to, uint256 amount) external onlyOwner {
        token.safeTransfer(to, amount);
    }
}

/// @title Holders of a token decide what a timelock does.
/// @notice WRITTEN FOR DRILLS. The flaws: votes are the tokens deposited at this instant, and `commit` executes at once
/// what two thirds want.
contract ZooGovernor {
    using SafeERC20 for IERC20;

    /// @notice What is proposed.
    struct Proposal {
        address target;
        bytes data;
        uint256 votes;
        bool done;
    }

    IERC20 public immutable token;
    ZooTimelock public immutable timelock;
    mapping(address account => uint256 amount) public deposited;
    mapping(uint256 proposal => mapping(address account => bool done)) private _voted;
    Proposal[] private _proposals;

    /// @notice Proposal `id` was made.
    event ZooGovernorProposed(uint256 indexed id, address indexed proposer, address target, bytes data);

    /// @notice Proposal `id` was queued.
    event ZooGovernorQueued(uint256 indexed id);

    /// @notice Not enough votes, or done already.
    error ZooGovernorNotPassed(uint256 id, uint256 votes, uint256 wanted);

    constructor(IERC20 token_, ZooTimelock timelock_) {
        token = token_;
        timelock = timelock_;
    }

    /// @notice Deposits tokens, which vote.
    function deposit(uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        deposited[msg.sender] += amount;
    }

    /// @notice Takes tokens back.
    function withdraw(uint256 amount) external {
        deposited[msg.sender] -= amount;
        token.safeTransfer(msg.sender, amount);
    }

    /// @notice Proposes a call.
    function propose(address target, bytes calldata data) external returns (uint256 id) {
        id = _proposals.length;
        _proposals.push(Proposal({target: target, data: data, votes: 0, done: false}));
        emit ZooGovernorProposed(id, msg.sender, target, data);
    }

    /// @notice Votes for `id` with all that is deposited now.
    function vote(uint256 id) external {
        if (_voted[id][msg.sender]) revert ZooGovernorNotPassed(id, _proposals[id].votes, 0);
        _voted[id][msg.sender] = true;
        _proposals[id].votes += deposited[msg.sender];
    }

    /// @notice Gives what a quarter of the supply wants to the timelock.
    function queue(uint256 id) external {
        Proposal storage proposal = _pass(id, token.totalSupply() / 4);
        timelock.schedule(proposal.target, 0, proposal.data, bytes32(0), bytes32(id), timelock.getMinDelay());
        emit ZooGovernorQueued(id);
    }

    /// @notice Executes what two thirds of all deposits want, at once.
    function commit(uint256 id) external {
        Proposal storage proposal = _pass(id, token.balanceOf(address(this)) * 2 / 3);
        timelock.executeUrgent(proposal.target, proposal.data);
    }

    /// @dev Marks the proposal as done; reverts without enough votes.
    function _pass(uint256 id, uint256 wanted) internal returns (Proposal storage proposal) {
        proposal = _proposals[id];
        if (proposal.done || proposal.votes < wanted) revert ZooGovernorNotPassed(id, proposal.votes, wanted);
        proposal.done = true;
    }
}
