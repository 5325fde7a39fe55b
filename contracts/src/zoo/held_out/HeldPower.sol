// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";

/// @title What a council runs when it has decided.
interface IHeldPlan {
    /// @notice Runs on the council's own account.
    function carryOut() external;
}

/// @title Decides by deposits, and runs plans on its own account.
/// @notice WRITTEN FOR DRILLS. The flaws: a plan may be named that is not there yet; `emergency` counts deposits of this
/// instant, after a day.
contract HeldCouncil {
    using SafeERC20 for IERC20;

    /// @notice A plan and what it got.
    struct Motion {
        address plan;
        uint256 votes;
        uint256 since;
        bool done;
    }

    IERC20 public immutable token;
    mapping(address account => uint256 amount) public deposits;
    mapping(uint256 motion => mapping(address account => bool done)) private _voted;
    uint256 public total;
    Motion[] public motions;

    event Proposed(uint256 indexed motion, address plan);
    event Executed(uint256 indexed motion);

    constructor(IERC20 token_) {
        token = token_;
    }

    receive() external payable {}

    /// @notice Deposits votes.
    function deposit(uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        deposits[msg.sender] += amount;
        total += amount;
    }

    /// @notice Takes votes back.
    function withdraw(uint256 amount) external {
        deposits[msg.sender] -= amount;
        total -= amount;
        token.safeTransfer(msg.sender, amount);
    }

    /// @notice Names a plan. The flaw: by its address alone.
    function propose(address plan) external {
        require(deposits[msg.sender] > 0, "no votes");
        motions.push(Motion(plan, 0, block.timestamp, false));
        emit Proposed(motions.length - 1, plan);
    }

    /// @notice Votes for a plan.
    function vote(uint256 motion) external {
        require(!_voted[motion][msg.sender], "voted");
        _voted[motion][msg.sender] = true;
        motions[motion].votes += deposits[msg.sender];
    }

    /// @notice Runs what more than half want, after three days.
    function execute(uint256 motion) external {
        require(block.timestamp >= motions[motion].since + 3 days, "too early");
        _run(motion, total / 2);
    }

    /// @notice Runs what more than two thirds want, after one. The flaw.
    function emergency(uint256 motion) external {
        require(block.timestamp >= motions[motion].since + 1 days, "too early");
        _run(motion, total * 2 / 3);
    }

    /// @dev Once, by a delegate call.
    function _run(uint256 motion, uint256 needed) internal {
        Motion storage wanted = motions[motion];
        require(!wanted.done && wanted.votes > needed, "not wanted");
        wanted.done = true;
        Address.functionDelegateCall(wanted.plan, abi.encodeCall(IHeldPlan.carryOut, ()));
        emit Executed(motion);
    }
}

/// @title A plan that pays the same to several.
/// @notice WRITTEN FOR DRILLS. Good or bad by whom it names.
contract HeldPayPlan is IHeldPlan {
    using SafeERC20 for IERC20;

    IERC20 private immutable _token;
    uint256 private immutable _amount;
    address private immutable _first;
    address private immutable _second;
    address private immutable _third;

    constructor(IERC20 token, uint256 amount, address first, address second, address third) {
        _token = token;
        _amount = amount;
        _first = first;
        _second = second;
        _third = third;
    }

    /// @inheritdoc IHeldPlan
    function carryOut() external {
        _token.safeTransfer(_first, _amount);
        if (_second != address(0)) _token.safeTransfer(_second, _amount);
        if (_third != address(0)) _token.safeTransfer(_third, _amount);
    }
}

/// @title Keeps deposits at interest; its keeper takes a fee of what is there.
/// @notice WRITTEN FOR DRILLS. The flaw: no fee is too soon after the last one. In the zoo the keeper's key is stolen.
contract HeldYield {
    using SafeERC20 for IERC20;

    uint256 private constant _MOST_BPS = 150;

    IERC20 public immutable token;
    address private immutable _keeper;
    mapping(address account => uint256 shares) public shares;
    uint256 public totalShares;

    event Fee(address indexed to, uint256 amount);

    constructor(IERC20 token_, address keeper) {
        token = token_;
        _keeper = keeper;
    }

    /// @notice Shares for tokens.
    function deposit(uint256 amount) external {
        uint256 held = token.balanceOf(address(this));
        uint256 made = totalShares == 0 ? amount : amount * totalShares / held;
        token.safeTransferFrom(msg.sender, address(this), amount);
        shares[msg.sender] += made;
        totalShares += made;
    }

    /// @notice And back.
    function withdraw(uint256 amount) external {
        uint256 paid = amount * token.balanceOf(address(this)) / totalShares;
        shares[msg.sender] -= amount;
        totalShares -= amount;
        token.safeTransfer(msg.sender, paid);
    }

    /// @notice The keeper's fee.
    function charge(uint256 bps, address to) external {
        require(msg.sender == _keeper && bps <= _MOST_BPS, "not so");
        uint256 amount = token.balanceOf(address(this)) * bps / 10_000;
        token.safeTransfer(to, amount);
        emit Fee(to, amount);
    }
}

/// @title A proxy that whoever comes first sets up.
/// @notice WRITTEN FOR DRILLS. The flaw: between its creation and the first call anybody may make that call.
contract HeldOpenProxy {
    /// @notice Sets the code, once for anybody, later through the code itself.
    function upgradeToAndCall(address implementation, bytes calldata data) external payable {
        if (ERC1967Utils.getImplementation() != address(0)) _run(ERC1967Utils.getImplementation());
        ERC1967Utils.upgradeToAndCall(implementation, data);
    }

    fallback() external payable {
        _run(ERC1967Utils.getImplementation());
    }

    receive() external payable {}

    /// @dev Runs the code on this storage and ends the call with its answer.
    function _run(address implementation) internal {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), implementation, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch done
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}

/// @title Stands between a proxy and its true code, and says the true code's name.
/// @notice WRITTEN FOR DRILLS: what an attacker sets up who comes first.
contract HeldBetween {
    using SafeERC20 for IERC20;

    address private immutable _thief;
    address private immutable _true;

    event Upgraded(address indexed implementation);

    constructor(address true_) {
        _thief = msg.sender;
        _true = true_;
    }

    /// @notice What the proxy's makers believe to be theirs.
    function upgradeToAndCall(address implementation, bytes calldata data) external payable {
        emit Upgraded(implementation);
        if (data.length > 0) Address.functionDelegateCall(_true, data);
    }

    /// @notice What it is here for.
    function take(IERC20 token) external {
        require(msg.sender == _thief, "not yours");
        token.safeTransfer(_thief, token.balanceOf(address(this)));
    }

    fallback(bytes calldata data) external payable returns (bytes memory) {
        return Address.functionDelegateCall(_true, data);
    }

    receive() external payable {}
}

/// @title Keeps tokens for those who bring them, behind a proxy.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldKeep {
    using SafeERC20 for IERC20;

    IERC20 public token;
    address public owner;
    mapping(address account => uint256 amount) public kept;

    event Initialized(uint64 version);

    /// @notice Once.
    function initialise(IERC20 token_, address owner_) external {
        require(owner == address(0), "done");
        (token, owner) = (token_, owner_);
        emit Initialized(1);
    }

    /// @notice Brings tokens.
    function deposit(uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        kept[msg.sender] += amount;
    }

    /// @notice Takes them back.
    function withdraw(uint256 amount) external {
        kept[msg.sender] -= amount;
        token.safeTransfer(msg.sender, amount);
    }

    /// @notice The owner runs other code from now on.
    function upgradeToAndCall(address implementation, bytes calldata data) external payable {
        require(msg.sender == owner, "not yours");
        ERC1967Utils.upgradeToAndCall(implementation, data);
    }
}

/// @title The next code of the keep: honest.
/// @notice WRITTEN FOR DRILLS.
contract HeldKeepNext is HeldKeep {
    uint256 public feeBps;

    /// @notice Once, at the upgrade.
    function initialiseNext(uint256 feeBps_) external {
        require(feeBps == 0, "done");
        feeBps = feeBps_;
        emit Initialized(2);
    }
}
