// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Pays rewards to stakers.
/// @notice WRITTEN FOR DRILLS. `claim` is sound. The flaws: `claimBonus` forgets that it paid, `claimEpoch` looks at the
/// stake of this instant, `welcome` pays every account that has never been here.
contract ZooStaking {
    using SafeERC20 for IERC20;

    uint256 private constant _EPOCH = 1 days;
    uint256 private constant _WELCOME = 20e18;

    IERC20 public immutable stakeToken;
    IERC20 public immutable rewardToken;
    uint256 private immutable _epochReward;
    uint256 private immutable _start;

    mapping(address account => uint256 amount) public staked;
    mapping(address account => uint256 time) public since;
    mapping(address account => uint256 epoch) public claimedEpoch;
    mapping(address account => bool done) public welcomed;
    uint256 public totalStaked;

    /// @notice The stake of `account` became `staked`.
    event ZooStakingStaked(address indexed account, uint256 staked);

    /// @notice `account` was paid `amount`.
    event ZooStakingPaid(address indexed account, uint256 amount);

    /// @notice Nothing is due to `account`.
    error ZooStakingNothingDue(address account);

    constructor(IERC20 stakeToken_, IERC20 rewardToken_, uint256 epochReward) {
        stakeToken = stakeToken_;
        rewardToken = rewardToken_;
        _epochReward = epochReward;
        _start = block.timestamp;
    }

    /// @notice Stakes `amount`.
    function stake(uint256 amount) external {
        stakeToken.safeTransferFrom(msg.sender, address(this), amount);
        _set(msg.sender, staked[msg.sender] + amount);
        totalStaked += amount;
    }

    /// @notice Takes back `amount`.
    function unstake(uint256 amount) external {
        _set(msg.sender, staked[msg.sender] - amount);
        totalStaked -= amount;
        stakeToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Pays one thousandth of the stake per day since the last time.
    function claim() external {
        uint256 due = _due(msg.sender);
        since[msg.sender] = block.timestamp;
        _pay(msg.sender, due);
    }

    /// @notice The same. The flaw: the time is not moved on.
    function claimBonus() external {
        _pay(msg.sender, _due(msg.sender));
    }

    /// @notice Pays the caller's part of this day's reward. The flaw: by his stake of this instant.
    function claimEpoch() external {
        uint256 epoch = (block.timestamp - _start) / _EPOCH;
        if (claimedEpoch[msg.sender] >= epoch) revert ZooStakingNothingDue(msg.sender);
        claimedEpoch[msg.sender] = epoch;
        _pay(msg.sender, Math.mulDiv(_epochReward, staked[msg.sender], totalStaked));
    }

    /// @notice Pays each account a welcome, once. The flaw: accounts cost nothing.
    function welcome() external {
        if (welcomed[msg.sender]) revert ZooStakingNothingDue(msg.sender);
        welcomed[msg.sender] = true;
        _pay(msg.sender, _WELCOME);
    }

    /// @dev One thousandth per day, rounded down.
    function _due(address account) internal view returns (uint256) {
        return Math.mulDiv(staked[account], block.timestamp - since[account], 1_000 days);
    }

    /// @dev Effects: one stake and its time, one event.
    function _set(address account, uint256 amount) internal {
        staked[account] = amount;
        since[account] = block.timestamp;
        emit ZooStakingStaked(account, amount);
    }

    /// @dev One transfer, one event.
    function _pay(address account, uint256 amount) internal {
        if (amount == 0) revert ZooStakingNothingDue(account);
        rewardToken.safeTransfer(account, amount);
        emit ZooStakingPaid(account, amount);
    }
}

/// @title Shares of staked ether, kept apart from the ether.
contract ZooEtherShares is ERC20 {
    address private immutable _staking;

    /// @notice `caller` is not the staking contract.
    error ZooEtherSharesNotStaking(address caller);

    constructor(address staking) ERC20("Zoo Staked Ether", "zETH") {
        _staking = staking;
    }

    /// @notice Makes shares.
    function mint(address to, uint256 amount) external {
        if (msg.sender != _staking) revert ZooEtherSharesNotStaking(msg.sender);
        _mint(to, amount);
    }

    /// @notice Burns at most `amount` of `from`.
    function burnUpTo(address from, uint256 amount) external {
        if (msg.sender != _staking) revert ZooEtherSharesNotStaking(msg.sender);
        _burn(from, Math.min(amount, balanceOf(from)));
    }
}

/// @title Stakes ether.
/// @notice WRITTEN FOR DRILLS. The flaw: `withdraw` pays before the shares are burnt, so that they can be used again
/// while it pays: here, or in the contract that keeps them.
contract ZooEtherStaking {
    ZooEtherShares public immutable shares;

    /// @notice `account` took out `amount`.
    event ZooEtherStakingWithdrawn(address indexed account, uint256 amount);

    constructor() {
        shares = new ZooEtherShares(address(this));
    }

    /// @notice One share for each wei.
    function deposit() external payable {
        shares.mint(msg.sender, msg.value);
    }

    /// @notice Pays for `amount` of the caller's shares, then burns them.
    function withdraw(uint256 amount) external {
        require(shares.balanceOf(msg.sender) >= amount, "too few shares");
        (bool paid,) = msg.sender.call{value: amount}("");
        require(paid, "not paid");
        shares.burnUpTo(msg.sender, amount);
        emit ZooEtherStakingWithdrawn(msg.sender, amount);
    }
}
