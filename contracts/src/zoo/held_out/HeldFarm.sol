// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {HeldPair} from "./HeldPair.sol";

/// @title Stakes a token; the receipt is a token as well, and rewards come in by the day.
/// @notice WRITTEN FOR DRILLS. The flaw: receipts may be handed on, what was paid on them stays behind.
contract HeldReceiptFarm is ERC20 {
    using SafeERC20 for IERC20;

    IERC20 public immutable stakeToken;
    IERC20 public immutable rewardToken;
    uint256 public perShare;
    mapping(address account => uint256 amount) public paid;

    event RewardPaid(address indexed account, uint256 amount);

    constructor(IERC20 stakeToken_, IERC20 rewardToken_) ERC20("Held Receipt", "hRCPT") {
        stakeToken = stakeToken_;
        rewardToken = rewardToken_;
    }

    /// @notice Brings rewards for all receipts there are.
    function notifyReward(uint256 amount) external {
        rewardToken.safeTransferFrom(msg.sender, address(this), amount);
        if (totalSupply() > 0) perShare += amount * 1e18 / totalSupply();
    }

    /// @notice A receipt for each token.
    function deposit(uint256 amount) external {
        _pay(msg.sender);
        stakeToken.safeTransferFrom(msg.sender, address(this), amount);
        _mint(msg.sender, amount);
        paid[msg.sender] = balanceOf(msg.sender) * perShare / 1e18;
    }

    /// @notice And back, after a day's notice in the real world; here at once.
    function withdraw(uint256 amount) external {
        _pay(msg.sender);
        _burn(msg.sender, amount);
        paid[msg.sender] = balanceOf(msg.sender) * perShare / 1e18;
        stakeToken.safeTransfer(msg.sender, amount);
    }

    /// @notice Pays what is due to the caller.
    function claim() external {
        _pay(msg.sender);
        paid[msg.sender] = balanceOf(msg.sender) * perShare / 1e18;
    }

    /// @dev Pays what the receipts have earned beyond what was paid.
    function _pay(address account) internal {
        uint256 earned = balanceOf(account) * perShare / 1e18;
        if (earned <= paid[account]) return;
        uint256 due = earned - paid[account];
        rewardToken.safeTransfer(account, due);
        emit RewardPaid(account, due);
    }
}

/// @title Rewards those who stake shares of a pair, by what the pair says that they are worth.
/// @notice WRITTEN FOR DRILLS. The flaw: any pair; nobody asks who made it.
contract HeldPairFarm {
    using SafeERC20 for IERC20;

    /// @notice What somebody staked of a pair.
    struct Stake {
        uint256 amount;
        uint256 since;
    }

    IERC20 public immutable quote;
    IERC20 public immutable rewardToken;
    mapping(HeldPair pair => mapping(address account => Stake stake)) public stakes;

    constructor(IERC20 quote_, IERC20 rewardToken_) {
        quote = quote_;
        rewardToken = rewardToken_;
    }

    /// @notice Takes shares of `pair`.
    function stake(HeldPair pair, uint256 amount) external {
        require(address(pair.token1()) == address(quote), "not of the quote");
        _harvest(pair);
        IERC20(address(pair)).safeTransferFrom(msg.sender, address(this), amount);
        stakes[pair][msg.sender].amount += amount;
    }

    /// @notice Gives shares back.
    function unstake(HeldPair pair, uint256 amount) external {
        _harvest(pair);
        stakes[pair][msg.sender].amount -= amount;
        IERC20(address(pair)).safeTransfer(msg.sender, amount);
    }

    /// @notice Pays one thousandth of the worth per day.
    function harvest(HeldPair pair) external {
        _harvest(pair);
    }

    /// @dev Worth is the quote tokens behind the shares.
    function _harvest(HeldPair pair) internal {
        Stake storage mine = stakes[pair][msg.sender];
        (, uint256 reserve,) = pair.getReserves();
        uint256 worth = mine.amount == 0 ? 0 : mine.amount * reserve / pair.totalSupply();
        uint256 due = worth * (block.timestamp - mine.since) / 1_000 days;
        mine.since = block.timestamp;
        if (due > 0) rewardToken.safeTransfer(msg.sender, due);
    }
}

/// @title An attacker's pair: says what it likes.
/// @notice WRITTEN FOR DRILLS.
contract HeldFakePair is ERC20 {
    IERC20 public immutable token1;
    uint112 private immutable _said;

    constructor(IERC20 quote, uint112 said) ERC20("Held Pair", "hPAIR") {
        token1 = quote;
        _said = said;
        _mint(msg.sender, 1e18);
    }

    /// @notice As a pair would say it.
    function getReserves() external view returns (uint112, uint112, uint32) {
        return (_said, _said, uint32(block.timestamp));
    }
}

/// @title An older locker, out of which stakes can be moved.
interface IHeldOldLocker {
    /// @notice Sends the stake of `account` to the caller.
    function migrateWithdraw(address account, uint256 amount) external;
}

/// @title Locks tokens in numbered positions.
/// @notice WRITTEN FOR DRILLS. The flaws: `withdrawMany` adds up before it deletes, so that a number may come twice;
/// `migrateStake` believes any old locker that it is told.
contract HeldLocker {
    using SafeERC20 for IERC20;

    /// @notice Who locked how much.
    struct Position {
        address owner;
        uint256 amount;
    }

    IERC20 public immutable token;
    Position[] public positions;
    mapping(address account => uint256 amount) public locked;

    event Locked(address indexed owner, uint256 indexed id, uint256 amount);
    event Withdrawn(address indexed owner, uint256 amount);

    constructor(IERC20 token_) {
        token = token_;
    }

    /// @notice Locks `amount`.
    function lock(uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        _open(msg.sender, amount);
    }

    /// @notice Takes back one position.
    function withdraw(uint256 id) external {
        Position memory position = positions[id];
        require(position.owner == msg.sender, "not yours");
        delete positions[id];
        _close(position.amount);
    }

    /// @notice Takes back several. The flaw.
    function withdrawMany(uint256[] calldata ids) external {
        uint256 total = 0;
        for (uint256 index = 0; index < ids.length; index++) {
            require(positions[ids[index]].owner == msg.sender, "not yours");
            total += positions[ids[index]].amount;
        }
        for (uint256 index = 0; index < ids.length; index++) delete positions[ids[index]];
        _close(total);
    }

    /// @notice Moves a stake from an older locker to here. The flaw: whichever.
    function migrateStake(IHeldOldLocker old, uint256 amount) external {
        old.migrateWithdraw(msg.sender, amount);
        _open(msg.sender, amount);
    }

    /// @dev Effects: one position, one event.
    function _open(address owner, uint256 amount) internal {
        positions.push(Position(owner, amount));
        emit Locked(owner, positions.length - 1, amount);
    }

    /// @dev One transfer, one event.
    function _close(uint256 amount) internal {
        token.safeTransfer(msg.sender, amount);
        emit Withdrawn(msg.sender, amount);
    }
}
